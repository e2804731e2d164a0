//! The evidence: inspection records that are durable before their verdict is sent, the outbox that
//! delivers them late rather than never, the archive of images, and what is kept of all that for how long.

mod archive;
mod chain;
pub(crate) mod fields;
mod form;
mod hold;
mod images;
mod keeper;
mod open;
mod read;
mod removal;
mod retention;
mod space;
mod store;
mod tables;
mod verify;
mod words;

use std::io;
use std::path::PathBuf;

pub use archive::{
    ARCHIVE_QUEUE_MAX, ArchiveCounts, ArchiveRules, Encode, ImageArchive, drawn_path,
};
pub use chain::{CHAIN_START, ChainFault, ChainFaultKind};
pub use form::{
    FINDINGS_MAX, FindingForm, FormError, ItemForm, OUTLINE_POINTS_MAX, PlacementForm,
    RECORD_SCHEMA, RecordForm, RectForm, TEXT_LENGTH_MAX, TimingsForm, ViewForm,
};
pub use hold::{Hold, Holds};
pub use images::{ImageState, KeptImage};
pub use keeper::{Keeper, KeeperSettings, News};
pub use read::{Answered, RecordFilter, RecordReader, StoredRecord};
pub use removal::{Because, RemovalForm};
pub use retention::{Bite, Keep, RemovedRecords, Retention, RetentionRules, Stuck};
pub use space::{SpaceLevel, SpaceLimits, free_bytes};
pub use store::{OutboxId, OutboxItem, RecordStore};
pub use tables::STORE_SCHEMA;
pub use verify::{Place, VerifyReport};
pub use words::{GradeWord, ReasonError, ReasonWord, VerdictWord};

/// Why a record was not written, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file cannot be opened or made.
    #[error("cannot open `{path}`; is the disk mounted, and may taktgate write there?")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// There is no directory for it. It is not made here: an unmounted disk looks the same.
    #[error("there is no directory for `{path}`; mount its disk, or make the directory")]
    NoDirectory {
        /// The file.
        path: PathBuf,
    },
    /// The path is a directory.
    #[error("the record store `{path}` is a directory; name a file in it")]
    NoFile {
        /// The directory.
        path: PathBuf,
    },
    /// Another process, or this one, has it open for writing.
    #[error(
        "the record store `{path}` is in use; stop the other taktgate, or give each station its own store"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error(
        "the record store `{path}` has schema {found}, this program knows {STORE_SCHEMA}; \
         use the newer taktgate (nothing was changed)"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// An earlier program wrote it, and only the station itself brings it up to date.
    #[error(
        "the record store `{path}` has schema {found}, this program writes {STORE_SCHEMA}; \
         start its station once with this taktgate"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// There is no such record.
    #[error("the record store `{path}` has no record `{id}`; `taktgate record list` shows them")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// A database, but not ours.
    #[error("`{path}` is no record store but the database of another program; name another file")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be trusted any more.
    #[error(
        "the record store `{path}` is damaged; stop, move it away together with its `-wal` file, \
         keep both, and start again (nothing was overwritten)"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// No space is left.
    #[error("no space is left for the record store `{path}`; free space on its disk")]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Cause,
    },
    /// The database refused.
    #[error("the record store `{path}` could not {doing}; look at its disk and the system log")]
    Sql {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        source: Cause,
    },
    /// A record with this id is there already.
    #[error("the record store `{path}` has record `{id}` already; give each inspection its own id")]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// A record cannot be written or read as JSON.
    #[error("the record store `{path}` could not {doing}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What is wrong with the record.
        #[source]
        source: FormError,
    },
    /// The archive's directory cannot be used.
    #[error(
        "cannot use the image archive `{path}`; is the disk mounted, and may taktgate write there?"
    )]
    Archive {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// The cause under a [`RecordError`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
