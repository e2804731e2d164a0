//! Where the Python of `make exporters` is: torch, anomalib, scikit-learn and the like, which the tests
//! hold this program against.

use std::env;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.deps/exporters");

/// Python with the exporters. Without them a test says aloud that it skips, and fails where
/// `TAKTGATE_EXPORTERS=required`, as `.ci/run` has it.
pub(crate) fn exporters_python() -> Option<PathBuf> {
    // The installation writes its stamp last.
    if Path::new(FOLDER).join("stamp").is_file() {
        return Some(Path::new(FOLDER).join("bin/python"));
    }
    let missing = format!("no exporters in {FOLDER}; `make exporters` puts them there");
    assert!(
        env::var_os("TAKTGATE_EXPORTERS").is_none_or(|value| value != "required"),
        "{missing}"
    );
    eprintln!("skipped: {missing}");
    None
}
