//! Why a labelled set cannot be read.

use std::path::PathBuf;

/// Why a labelled set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A file or folder.
    #[error("cannot read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Nothing that is known.
    #[error("`{path}` is no labelled set of the kind `{format}`: {wanted}")]
    Layout {
        /// The folder or file.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// What such a set has.
        wanted: String,
    },
    /// Nothing that looks like any format.
    #[error(
        "cannot tell how `{path}` is labelled; say it with `--format`, or lay it out as one of:\n{known}"
    )]
    Unknown {
        /// The folder or file.
        path: PathBuf,
        /// What each format looks like.
        known: String,
    },
    /// A file is not what its format says.
    #[error("`{path}`, {place}: {text}")]
    Place {
        /// The file.
        path: PathBuf,
        /// Line, or which entry.
        place: String,
        /// What is wrong and what to write.
        text: String,
    },
    /// No such part of the set.
    #[error("`{path}` has no split `{split}`; it has {there}")]
    Split {
        /// The set.
        path: PathBuf,
        /// What was asked for.
        split: String,
        /// What there is.
        there: String,
    },
    /// A part was asked for, but the set has none.
    #[error("`{path}` has no splits; leave `--split {split}` out")]
    NoSplits {
        /// The set.
        path: PathBuf,
        /// What was asked for.
        split: String,
    },
    /// Nothing to measure on.
    #[error(
        "`{path}` has no labelled picture{}",
        left_out(*n_left_out, first.as_deref())
    )]
    Empty {
        /// The set.
        path: PathBuf,
        /// How many were left out.
        n_left_out: usize,
        /// The first of them.
        first: Option<String>,
    },
    /// More than can be held.
    #[error("`{path}` has {found} {what}, at most {max} are read; split it")]
    TooMany {
        /// The file or folder.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// The limit.
        max: u64,
    },
}

fn left_out(n: usize, first: Option<&str>) -> String {
    first.map_or_else(String::new, |first| {
        format!("; {n} left out, the first is {first}")
    })
}

impl SetError {
    pub(super) fn read(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Read { path, cause }
    }

    pub(super) fn at(
        path: impl Into<PathBuf>,
        place: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self::Place {
            path: path.into(),
            place: place.into(),
            text: text.into(),
        }
    }
}
