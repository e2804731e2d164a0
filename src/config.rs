//! From a file as written to a checked value: every mistake of a file is said at once.
//!
//! Nothing is read here; the caller brings the text.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// Why a file is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// It is no TOML, a key is unknown or missing, or a value has the wrong type.
    #[error("cannot understand `{path}`")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        #[source]
        cause: Box<toml::de::Error>,
    },
    /// It reads well but says something impossible.
    #[error("`{path}`: {mistakes}")]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them.
        mistakes: Mistakes,
    },
}

/// All mistakes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => f.write_str(only),
            several => {
                write!(f, "{} mistakes", several.len())?;
                several
                    .iter()
                    .try_for_each(|mistake| write!(f, "\n  - {mistake}"))
            }
        }
    }
}

/// Reads a TOML text into its form as written.
///
/// # Errors
/// [`ConfigError::Syntax`] with line, column and the keys that would fit.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|cause| ConfigError::Syntax {
        path: path.to_owned(),
        cause: Box::new(cause),
    })
}

/// A text as it stands in a TOML file, in quotes.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// An error and all its causes in one line, as records and notes carry it.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .flatten()
        .collect()
}

/// Collects the mistakes of one file while it is checked.
#[derive(Debug, Default)]
pub struct Checks {
    mistakes: Vec<String>,
}

impl Checks {
    /// Notes a mistake.
    pub fn say(&mut self, mistake: impl Into<String>) {
        self.mistakes.push(mistake.into());
    }

    /// Notes a mistake unless `value` lies from `min` to `max`; NaN never does.
    pub fn range<T: PartialOrd + Display + Copy>(
        &mut self,
        key: impl Display,
        value: T,
        min: T,
        max: T,
    ) -> T {
        if !(min <= value && value <= max) {
            self.say(format!(
                "`{key} = {value}` is out of range; write {min} to {max}"
            ));
        }
        value
    }

    /// Takes the value of a check or notes its error under the key.
    pub fn take<T, E: Display>(&mut self, key: impl Display, checked: Result<T, E>) -> Option<T> {
        checked
            .map_err(|error| self.say(format!("`{key}`: {error}")))
            .ok()
    }

    /// Notes a mistake for every name that stands twice.
    pub fn no_doubles<'n>(&mut self, what: &str, names: impl Iterator<Item = &'n str>) {
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                self.say(format!(
                    "{what} `{name}` stands twice; give each its own name"
                ));
            }
        }
    }

    /// The value if there was no mistake.
    ///
    /// # Errors
    /// [`ConfigError::Mistakes`] with all that was noted.
    pub fn finish<T>(self, path: &Path, value: Option<T>) -> Result<T, ConfigError> {
        match value {
            Some(value) if self.mistakes.is_empty() => Ok(value),
            _ => Err(ConfigError::Mistakes {
                path: path.to_owned(),
                mistakes: Mistakes(self.mistakes),
            }),
        }
    }
}
