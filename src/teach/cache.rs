//! Patch rows of pictures that were computed before: a run that was broken off goes on where it was.
//!
//! One file a picture, named by what decides its rows: the prepared pixels and the backbone. A file
//! ends with the SHA-256 of what stands before it, and appears only when it is whole.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use std::{fs, io};

use ndarray::Array2;
use sha2::{Digest, Sha256};

use crate::config::hex;
use crate::vision::Picture;

/// Most bytes of the folder: when it opens, the oldest files go; then nothing more is kept.
pub const CACHE_BYTES_MAX: u64 = 4 << 30;
/// The first bytes of a file; the number changes with the form.
const MAGIC: &[u8; 16] = b"taktgate rows 1\n";
const ENDING: &str = "rows";
const HASH_BYTES: usize = 32;

/// A folder of rows.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    bytes_max: u64,
    bytes: AtomicU64,
    n_left_out: AtomicU64,
}

/// What the cache has under a key.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// The rows.
    Rows(Array2<f32>),
    /// Nothing.
    Nothing,
    /// A file that is not what was written: it was taken away, and the text says what was wrong.
    Broken(String),
}

/// Names the rows of a prepared picture under a backbone.
pub(super) fn key(input: &Picture, backbone_sha256: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(MAGIC);
    hash.update(backbone_sha256.as_bytes());
    hash.update(input.size.width_px.to_le_bytes());
    hash.update(input.size.height_px.to_le_bytes());
    hash.update(&input.pixels);
    hex(&hash.finalize())
}

impl Cache {
    /// Opens the folder, makes it where it is missing, and takes the oldest files away where there
    /// are more than `bytes_max` bytes.
    ///
    /// # Errors
    /// What the system says if the folder cannot be made or read.
    pub(super) fn open(folder: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let file = entry.metadata()?;
            if entry.path().extension().is_some_and(|end| end == ENDING) {
                let written = file.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push((written, file.len(), entry.path()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if bytes <= bytes_max {
                break;
            }
            fs::remove_file(path)?;
            bytes -= length;
        }
        Ok(Self {
            folder: folder.to_owned(),
            bytes_max,
            bytes: AtomicU64::new(bytes),
            n_left_out: AtomicU64::new(0),
        })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many pictures were not kept because the folder is full.
    pub(super) fn n_left_out(&self) -> u64 {
        self.n_left_out.load(Ordering::Relaxed)
    }

    /// Looks for the rows of `key`.
    pub(super) fn find(&self, key: &str) -> Found {
        let path = self.path(key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => return Found::Broken(format!("`{}`: {error}", path.display())),
        };
        match rows_of(&bytes) {
            Ok(rows) => Found::Rows(rows),
            Err(problem) => {
                let gone = match fs::remove_file(&path) {
                    Ok(()) => "computed again".to_owned(),
                    Err(error) => format!("computed again; it cannot be taken away: {error}"),
                };
                Found::Broken(format!("`{}` {problem}: {gone}", path.display()))
            }
        }
    }

    /// Keeps rows, if the folder has room for them.
    ///
    /// # Errors
    /// What the system says; the rows are there all the same, only the next run computes them again.
    pub(super) fn keep(&self, key: &str, rows: &Array2<f32>) -> io::Result<()> {
        let bytes = bytes_of(rows);
        let length = bytes.len() as u64;
        if self.bytes_max < self.bytes.fetch_add(length, Ordering::Relaxed) + length {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            self.n_left_out.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        // Two runs may work on one folder: each writes under a name of its own.
        let part = self
            .folder
            .join(format!("{key}.{}.part", std::process::id()));
        fs::write(&part, bytes)?;
        fs::rename(&part, self.path(key))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key).with_extension(ENDING)
    }
}

fn bytes_of(rows: &Array2<f32>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + 16 + rows.len() * 4 + HASH_BYTES);
    bytes.extend_from_slice(MAGIC);
    for side in [rows.nrows(), rows.ncols()] {
        bytes.extend_from_slice(&(side as u64).to_le_bytes());
    }
    for value in rows {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    let hash = Sha256::digest(&bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

fn rows_of(bytes: &[u8]) -> Result<Array2<f32>, String> {
    let (body, hash) = bytes.split_last_chunk::<HASH_BYTES>().ok_or("is cut off")?;
    if *hash != *Sha256::digest(body) {
        return Err("was cut off or changed".to_owned());
    }
    let rest = body.strip_prefix(MAGIC).ok_or("has another form")?;
    let (sides, values) = rest.split_first_chunk::<16>().ok_or("is cut off")?;
    let (sides, _) = sides.as_chunks::<8>();
    let mut sides = sides
        .iter()
        .map(|side| usize::try_from(u64::from_le_bytes(*side)).unwrap_or(usize::MAX));
    let shape = (
        sides.next().unwrap_or_default(),
        sides.next().unwrap_or_default(),
    );
    let (values, _) = values.as_chunks::<4>();
    let values = values.iter().map(|value| f32::from_le_bytes(*value));
    Array2::from_shape_vec(shape, values.collect())
        .map_err(|error| format!("has another form: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(seed: u16) -> Array2<f32> {
        Array2::from_shape_fn((20, 3), |(row, column)| {
            f32::from(seed) + row as f32 - column as f32 / 3.0
        })
    }

    #[test]
    fn rows_come_back_as_they_were_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache"), CACHE_BYTES_MAX).unwrap();
        assert_eq!(cache.find("a"), Found::Nothing);
        cache.keep("a", &rows(1)).unwrap();
        cache.keep("b", &rows(2)).unwrap();
        assert_eq!(cache.find("a"), Found::Rows(rows(1)));
        let again = Cache::open(cache.folder(), CACHE_BYTES_MAX).unwrap();
        assert_eq!(again.find("b"), Found::Rows(rows(2)));
    }

    #[test]
    fn a_changed_or_cut_off_file_is_said_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), CACHE_BYTES_MAX).unwrap();
        let whole = bytes_of(&rows(1));
        let mut changed = whole.clone();
        changed[50] ^= 1;
        let path = folder.path().join("a.rows");
        for broken in [&changed[..], &whole[..whole.len() - 1], &whole[..10], b""] {
            fs::write(&path, broken).unwrap();
            let Found::Broken(text) = cache.find("a") else {
                panic!("{} bytes were taken", broken.len());
            };
            assert!(
                text.contains("a.rows` ") && text.contains("computed again"),
                "{text}"
            );
            assert_eq!(cache.find("a"), Found::Nothing);
        }
    }

    #[test]
    fn the_folder_never_grows_over_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let one = bytes_of(&rows(1)).len() as u64;
        let cache = Cache::open(folder.path(), 2 * one).unwrap();
        for (index, key) in ["a", "b", "c"].iter().enumerate() {
            cache.keep(key, &rows(1)).unwrap();
            let age = std::time::Duration::from_secs(100 - index as u64);
            if let Ok(file) = fs::File::options()
                .append(true)
                .open(folder.path().join(format!("{key}.rows")))
            {
                file.set_modified(SystemTime::now() - age).unwrap();
            }
        }
        assert_eq!((cache.find("c"), cache.n_left_out()), (Found::Nothing, 1));
        let smaller = Cache::open(folder.path(), one).unwrap();
        assert_eq!(smaller.find("a"), Found::Nothing, "the oldest goes first");
        assert_eq!(smaller.find("b"), Found::Rows(rows(1)));
    }
}
