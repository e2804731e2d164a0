//! The archive of images: written on its own thread, after the verdict was sent, never waited for.
//!
//! An image is evidence of the second rank: what does not fit into the queue or onto the disk is
//! counted and said, and the line goes on.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tracing::error;

use super::RecordError;
use super::chain::hex;
use crate::domain::{Frame, Verdict};

/// Most frames that wait to be written.
pub const ARCHIVE_QUEUE_MAX: usize = 16;

/// Where images are written before they get their name; emptied at start.
const UNFINISHED: &str = "unfinished";

/// What turns a frame into the bytes of a JPEG file; the vision room has one.
pub type Encode = Box<dyn Fn(&Frame) -> Result<Vec<u8>, String> + Send>;

/// Which images are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArchiveRules {
    /// The share of good parts whose images are kept, 0 to 1; the record's id decides which.
    pub ok_share: f64,
    /// Whether the images of all other parts are kept.
    pub ng_and_indeterminate: bool,
}

/// What became of the images so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveCounts {
    /// On disk.
    pub stored: u64,
    /// Not taken because the queue was full.
    pub dropped: u64,
    /// Taken, but not encoded or not written.
    pub failed: u64,
}

/// The running archive.
#[derive(Debug)]
pub struct ImageArchive {
    rules: ArchiveRules,
    counts: Arc<Counters>,
    queue: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Order {
    path: String,
    frame: Frame,
}

#[derive(Debug, Default)]
struct Counters {
    stored: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl ArchiveRules {
    /// Whether the images of this part are kept; the same id always gets the same answer.
    pub fn keeps(&self, record_id: &str, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Ok => share_of(record_id) < self.ok_share,
            Verdict::Ng | Verdict::Indeterminate(_) => self.ng_and_indeterminate,
        }
    }
}

impl ImageArchive {
    /// Starts the writing thread on `dir`, whose parent must be there.
    ///
    /// # Errors
    /// [`RecordError::Archive`] if the directory cannot be used; the station must not start.
    pub fn start(dir: &Path, rules: ArchiveRules, encode: Encode) -> Result<Self, RecordError> {
        let refused = |source| RecordError::Archive {
            path: dir.to_owned(),
            source,
        };
        prepare(dir).map_err(refused)?;
        let (queue, orders) = sync_channel(ARCHIVE_QUEUE_MAX);
        let counts = Arc::new(Counters::default());
        let writer = Writer {
            dir: dir.to_owned(),
            encode,
            counts: Arc::clone(&counts),
        };
        let writer = thread::Builder::new()
            .name("archive".into())
            .spawn(move || writer.run(&orders))
            .map_err(refused)?;
        Ok(Self {
            rules,
            counts,
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    /// The rules it was started with.
    pub fn rules(&self) -> ArchiveRules {
        self.rules
    }

    /// Where the image of `view` belongs, relative to the archive: `2026/11/22/<id>-<view>.jpg`, by UTC.
    pub fn path_for(record_id: &str, view: &str, when: Timestamp) -> String {
        let day = when.strftime("%Y/%m/%d");
        format!("{day}/{}-{}.jpg", file_word(record_id), file_word(view))
    }

    /// Hands over a frame to be written to `path` of [`Self::path_for`]; never waits.
    ///
    /// Returns false, and counts, if the queue is full.
    pub fn try_store(&self, path: String, frame: Frame) -> bool {
        let order = Order { path, frame };
        let taken = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.try_send(order).is_ok());
        if !taken {
            let dropped = self.counts.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            error!(dropped, "image not archived: the queue is full");
        }
        taken
    }

    /// Images not taken because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Images taken, but not encoded or not written.
    pub fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Relaxed)
    }

    /// Writes what still waits, and ends the thread.
    pub fn stop(mut self) -> ArchiveCounts {
        self.drain();
        let Counters {
            stored,
            dropped,
            failed,
        } = &*self.counts;
        ArchiveCounts {
            stored: stored.load(Ordering::Relaxed),
            dropped: dropped.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
        }
    }

    fn drain(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            error!("the thread of the image archive had failed");
        }
    }
}

impl Drop for ImageArchive {
    fn drop(&mut self) {
        self.drain();
    }
}

struct Writer {
    dir: PathBuf,
    encode: Encode,
    counts: Arc<Counters>,
}

impl Writer {
    fn run(&self, orders: &Receiver<Order>) {
        for Order { path, frame } in orders {
            let written = (self.encode)(&frame)
                .and_then(|bytes| self.write(&path, &bytes).map_err(|error| error.to_string()));
            match written {
                Ok(()) => {
                    self.counts.stored.fetch_add(1, Ordering::Relaxed);
                }
                Err(cause) => {
                    self.counts.failed.fetch_add(1, Ordering::Relaxed);
                    error!(path, cause, "image not archived");
                }
            }
        }
    }

    /// A file with its right name is whole, even after a power cut.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.dir.join(path);
        let unfinished = self.dir.join(UNFINISHED).join("image");
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
            .and_then(|()| target.parent().map_or(Ok(()), fs::create_dir_all))
            .and_then(|()| fs::rename(&unfinished, &target));
        if written.is_err() && unfinished.exists() {
            // On a full disk the half image would take the space of a record.
            fs::remove_file(&unfinished)?;
        }
        written
    }
}

fn prepare(dir: &Path) -> io::Result<()> {
    let unfinished = dir.join(UNFINISHED);
    for dir in [dir, &unfinished] {
        if !dir.is_dir() {
            fs::create_dir(dir)?;
        }
    }
    let probe = unfinished.join("image");
    File::create(&probe)?.sync_data()?;
    fs::remove_file(&probe)
}

/// A number from 0 to 1, evenly spread over ids.
fn share_of(record_id: &str) -> f64 {
    let digest = Sha256::digest(record_id);
    let top = digest
        .iter()
        .take(4)
        .fold(0, |top: u32, byte| top << 8 | u32::from(*byte));
    f64::from(top) / (f64::from(u32::MAX) + 1.0)
}

/// A word that is safe in a file name on every system, and different for different texts.
fn file_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let safe: String = text
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .collect();
    if safe == text {
        return safe;
    }
    let mark: String = hex(&Sha256::digest(text)).chars().take(8).collect();
    format!("{safe}_{mark}")
}
