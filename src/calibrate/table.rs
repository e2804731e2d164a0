//! Tables that people write: read whole, if they are no larger than a table can be.

use std::fs;
use std::path::Path;

use super::error::CalibrateError;

/// The text of a table of at most so many bytes.
///
/// # Errors
/// [`CalibrateError::Table`] if it cannot be read or is larger.
pub(super) fn read_table(path: &Path, bytes_max: u64) -> Result<String, CalibrateError> {
    let fault = |cause| CalibrateError::Table {
        path: path.to_owned(),
        cause,
    };
    let length = fs::metadata(path).map_err(fault)?.len();
    if bytes_max < length {
        return Err(fault(std::io::Error::other(format!(
            "the file has {length} bytes, at most {bytes_max} are read"
        ))));
    }
    fs::read_to_string(path).map_err(fault)
}
