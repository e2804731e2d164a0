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
use tracing::{error, warn};

use super::RecordError;
use crate::config::hex;
use crate::domain::Verdict;

/// Most frames that wait to be written.
pub const ARCHIVE_QUEUE_MAX: usize = 16;

/// Where images are written before they get their name; emptied at start.
const UNFINISHED: &str = "unfinished";

/// What makes the bytes of a picture file; runs on the archive's thread, so that drawing and
/// compressing never hold up a part.
pub type Encode = Box<dyn FnOnce() -> Result<Vec<u8>, String> + Send>;

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

struct Order {
    path: String,
    encode: Encode,
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
    pub fn start(dir: &Path, rules: ArchiveRules) -> Result<Self, RecordError> {
        let refused = |source| RecordError::Archive {
            path: dir.to_owned(),
            source,
        };
        prepare(dir).map_err(refused)?;
        let (queue, orders) = sync_channel(ARCHIVE_QUEUE_MAX);
        let counts = Arc::new(Counters::default());
        let writer = Writer {
            dir: dir.to_owned(),
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

    /// Images on the disk since the start.
    pub fn stored(&self) -> u64 {
        self.counts.stored.load(Ordering::Relaxed)
    }

    /// Hands over a picture to be made and written to `path` of [`Self::path_for`]; never waits.
    ///
    /// Returns false, and counts, if the queue is full.
    pub fn try_store(&self, path: String, encode: Encode) -> bool {
        let order = Order { path, encode };
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
    counts: Arc<Counters>,
}

impl Writer {
    fn run(&self, orders: &Receiver<Order>) {
        for Order { path, encode } in orders {
            let written = encode()
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
            // On a full disk the half image takes the space of a record. It is emptied first: a
            // backup that has it open would keep the space of a file that is only removed.
            let emptied = File::create(&unfinished).and_then(|_| fs::remove_file(&unfinished));
            if let Err(error) = emptied {
                warn!(%error, "unfinished image not removed");
            }
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

/// Where the image with the findings drawn in lies, beside the plain one at `path`.
pub fn drawn_path(path: &str) -> String {
    let stem = path.strip_suffix(".jpg").unwrap_or(path);
    format!("{stem}-drawn.jpg")
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::Reason;

    const ALL: ArchiveRules = ArchiveRules {
        ok_share: 1.0,
        ng_and_indeterminate: true,
    };

    fn path(id: &str, view: &str) -> String {
        let when = "2026-11-22T23:59:59Z".parse().unwrap();
        ImageArchive::path_for(id, view, when)
    }

    fn bytes() -> Encode {
        Box::new(|| Ok(vec![1, 2]))
    }

    #[test]
    fn an_image_lies_whole_under_its_day_and_nothing_unfinished_is_left() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("images");
        let archive = ImageArchive::start(&dir, ALL).unwrap();
        assert_eq!(path("0193", "top"), "2026/11/22/0193-top.jpg");
        assert!(archive.try_store(path("0193", "top"), bytes()));
        let counts = archive.stop();
        assert_eq!((counts.stored, counts.dropped, counts.failed), (1, 0, 0));
        let written = fs::read(dir.join("2026/11/22/0193-top.jpg")).unwrap();
        assert_eq!(written, [1, 2]);
        assert_eq!(fs::read_dir(dir.join(UNFINISHED)).unwrap().count(), 0);
    }

    #[test]
    fn no_view_leaves_the_archive_or_shares_a_name() {
        for (view, file) in [
            ("../../etc", "0193-______etc_74ccf3c5.jpg"),
            ("a/b", "0193-a_b_c14cddc0.jpg"),
            ("a_b", "0193-a_b.jpg"),
        ] {
            assert_eq!(path("0193", view), format!("2026/11/22/{file}"));
        }
    }

    #[test]
    fn a_full_queue_is_counted_and_never_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let (started, has_started) = sync_channel(0);
        let (go_on, may_go_on) = sync_channel::<()>(0);
        let gate = Arc::new((started, Mutex::new(may_go_on)));
        let slow = || -> Encode {
            let gate = Arc::clone(&gate);
            Box::new(move || {
                gate.0.send(()).map_err(|error| error.to_string())?;
                let go_on = gate.1.lock().map_err(|error| error.to_string())?;
                go_on.recv().map_err(|error| error.to_string())?;
                Ok(vec![0])
            })
        };
        let archive = ImageArchive::start(&home.path().join("a"), ALL).unwrap();
        assert!(archive.try_store(path("first", "top"), slow()));
        // The writer holds the first one now, so the queue is empty.
        has_started.recv().unwrap();
        for n in 0..ARCHIVE_QUEUE_MAX {
            assert!(archive.try_store(path(&n.to_string(), "top"), slow()));
        }
        for dropped in 1..=3 {
            assert!(!archive.try_store(path("late", "top"), bytes()));
            assert_eq!(archive.dropped(), dropped);
        }
        let releases = thread::spawn(move || {
            for _ in 0..ARCHIVE_QUEUE_MAX {
                go_on.send(()).unwrap();
                has_started.recv().unwrap();
            }
            go_on.send(()).unwrap();
        });
        let counts = archive.stop();
        releases.join().unwrap();
        let all = ARCHIVE_QUEUE_MAX as u64 + 1;
        assert_eq!((counts.stored, counts.dropped, counts.failed), (all, 3, 0));
    }

    #[test]
    fn what_cannot_be_encoded_or_written_is_counted_and_the_next_is_written() {
        let home = tempfile::tempdir().unwrap();
        let archive = ImageArchive::start(home.path(), ALL).unwrap();
        let odd: Encode = Box::new(|| Err("not a picture".into()));
        // A file stands where the directory of the day should be.
        fs::write(home.path().join("1999"), "").unwrap();
        assert!(archive.try_store(path("1", "top"), odd));
        assert!(archive.try_store("1999/01/01/2-top.jpg".into(), bytes()));
        assert!(archive.try_store(path("3", "top"), bytes()));
        let counts = archive.stop();
        assert_eq!((counts.stored, counts.failed), (1, 2));
        let unfinished = fs::read_dir(home.path().join(UNFINISHED)).unwrap();
        assert_eq!(unfinished.count(), 0);
    }

    #[test]
    fn a_writer_that_panicked_is_said_and_the_line_goes_on() {
        let home = tempfile::tempdir().unwrap();
        let archive = ImageArchive::start(home.path(), ALL).unwrap();
        let bug: Encode = Box::new(|| panic!("encoder bug"));
        assert!(archive.try_store(path("1", "top"), bug));
        assert_eq!(archive.stop().failed, 1);
    }

    #[test]
    fn the_id_alone_decides_which_good_parts_are_kept() {
        let rules = ArchiveRules {
            ok_share: 0.1,
            ng_and_indeterminate: true,
        };
        let ids = (0..10_000).map(|n| format!("0193-{n}"));
        let kept = ids.filter(|id| rules.keeps(id, Verdict::Ok)).count();
        assert!((900..1100).contains(&kept), "{kept} of 10000");
        assert!(rules.keeps("x", Verdict::Ng));
        assert!(rules.keeps("x", Verdict::Indeterminate(Reason::Model)));
        let none = ArchiveRules {
            ok_share: 0.0,
            ng_and_indeterminate: false,
        };
        assert!(!none.keeps("x", Verdict::Ok) && !none.keeps("x", Verdict::Ng));
        assert!((0..99).all(|n| ALL.keeps(&n.to_string(), Verdict::Ok)));
    }

    #[test]
    fn a_missing_disk_is_said_at_start() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("not-mounted/images");
        let refused = ImageArchive::start(&dir, ALL).unwrap_err();
        let told = refused.to_string();
        insta::assert_snapshot!(
            told.replace(home.path().to_str().unwrap(), "HOME"),
            @"cannot use the image archive `HOME/not-mounted/images`; is the disk mounted, and may taktgate write there?"
        );
    }
}
