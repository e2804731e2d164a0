//! OpenCV's own chessboards, where they are there (`make chessboards`).

use std::path::PathBuf;

const REQUIRED: &str = "TAKTGATE_CHESSBOARDS";

/// 640 x 480 px, 9 x 6 inner corners with squares of 25 mm; there is no tenth picture.
pub(crate) const ALL: [u32; 13] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14];

pub(crate) fn sample(number: u32) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".deps/chessboards");
    folder.join(format!("left{number:02}.jpg"))
}

/// Whether they are not there, said aloud; where they must be, a panic.
pub(crate) fn are_missing() -> bool {
    let missing = ALL.iter().any(|number| !sample(*number).exists());
    if missing {
        let is_required = std::env::var(REQUIRED).is_ok_and(|value| value == "required");
        assert!(!is_required, "no chessboards in .deps: make chessboards");
        eprintln!("skipped: no chessboards in .deps; `make chessboards` brings them");
    }
    missing
}
