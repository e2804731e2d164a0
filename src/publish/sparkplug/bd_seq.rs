//! The count of connects, `bdSeq`: 0 to 255 and round again, over restarts of the station.
//!
//! It tells a host which death belongs to which birth. A count that cannot be kept is no reason to keep
//! tags back: it is logged, and goes on in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{error, warn};

#[derive(Debug)]
pub(super) struct BdSeq {
    file: PathBuf,
    last: Option<u8>,
    before: Option<u8>,
}

impl BdSeq {
    /// Reads the count of the last connect, if there was one.
    pub(super) fn read(file: &Path) -> Self {
        let path = file.display();
        let last = match fs::read_to_string(file) {
            Ok(text) => text.trim().parse().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn!(%path, %error, "the count of connects cannot be read");
                None
            }
        };
        if last.is_none() && file.exists() {
            warn!(%path, "no count of connects from 0 to 255; starting at 0");
        }
        Self {
            file: file.to_owned(),
            last,
            before: last,
        }
    }

    /// The count of the next connect, kept before it is used.
    pub(super) fn next(&mut self) -> u8 {
        let next = self.last.map_or(0, |last| last.wrapping_add(1));
        self.before = self.last.replace(next);
        self.keep();
        next
    }

    /// The broker could not be reached, so nobody has seen the last count: the next connect has it again.
    pub(super) fn unused(&mut self) {
        self.last = self.before;
        self.keep();
    }

    fn keep(&self) {
        let kept = match self.last {
            Some(last) => self.write(last),
            None => fs::remove_file(&self.file),
        };
        if let Err(error) = kept {
            error!(path = %self.file.display(), %error, "the count of connects cannot be kept");
        }
    }

    // A file is replaced as a whole: half a number would start the count anew.
    fn write(&self, count: u8) -> io::Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{count}\n"))?;
        fs::rename(&new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_are_counted_over_restarts_and_round() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bdseq");
        assert_eq!(BdSeq::read(&file).next(), 0);
        assert_eq!(BdSeq::read(&file).next(), 1);
        let mut count = BdSeq::read(&file);
        let last = (0..253).map(|_| count.next()).last();
        assert_eq!(last, Some(254));
        assert_eq!([count.next(), count.next()], [255, 0]);
        assert_eq!(BdSeq::read(&file).next(), 1);
        fs::write(&file, "256").unwrap();
        assert_eq!(BdSeq::read(&file).next(), 0);
    }

    #[test]
    fn a_connect_that_nobody_saw_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bdseq");
        let mut count = BdSeq::read(&file);
        assert_eq!(count.next(), 0);
        count.unused();
        assert_eq!(BdSeq::read(&file).next(), 0);
        assert_eq!([count.next(), count.next()], [0, 1]);
        count.unused();
        assert_eq!(BdSeq::read(&file).next(), 1);
    }

    #[test]
    fn a_count_that_cannot_be_kept_goes_on() {
        let mut count = BdSeq::read(Path::new("/nowhere/bdseq"));
        assert_eq!([count.next(), count.next()], [0, 1]);
    }
}
