//! A folder that a foreign camera system writes into: a part gets the picture that came after its
//! trigger, or the one that is named like it.
//!
//! The folder is looked at again and again instead of waiting for the system's news, which network
//! shares do not send. A file that is still being written is not read: size and time must have stayed
//! as they are for a while, over two looks at least; and half a picture is refused by the decoder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::folder::{entries, is_picture};
use super::matching::{Announced, FrameWindow, Matching};
use super::newest::{self, Fresh, Keeper, Taker};
use super::{FrameSource, SourceError, read_frame};
use crate::config::with_causes;
use crate::domain::{Frame, Trigger};

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the writing of a picture may take, where it must have begun within a window.
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// Where pictures go that a part has got.
const DONE: &str = "done";

/// Which picture is a part's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// The first that came after the part's trigger.
    AfterTrigger,
    /// The only one that came within a window around the part's announcement.
    InWindow(FrameWindow),
    /// The one whose name without extension is the part's id.
    ByPart,
}

/// What becomes of a picture that a part has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It goes to `done/`, in the same folder.
    Move,
    /// It is deleted.
    Delete,
}

/// A watched folder as a camera.
pub struct Watched {
    camera: String,
    path: PathBuf,
    after: After,
    pictures: Pictures,
    n_taken: u64,
}

enum Pictures {
    /// A thread looks all the time, so that it is known when each picture came.
    AfterTrigger(Taker<PathBuf>),
    /// Likewise.
    InWindow(Taker<PathBuf>, Matching),
    /// The name tells, so it is enough to look while a part waits.
    ByPart(Looks),
}

/// What was in the folder at the latest look.
struct Looks {
    camera: String,
    path: PathBuf,
    quiet: Duration,
    looked_at: Instant,
    files: BTreeMap<PathBuf, Seen>,
}

/// A file as it looked.
#[derive(Debug, Clone, Copy)]
struct Seen {
    n_bytes: u64,
    changed: Option<SystemTime>,
    /// The earliest moment at which it can have come: the look that did not show it.
    came_at: Instant,
    /// Since when it has looked so.
    same_since: Instant,
    is_told: bool,
}

impl Watched {
    /// Takes note of what is there already: it belongs to no part that is still to come, unless it is
    /// named like one. Windows lie around the `announced` parts; where nobody announces parts, a picture
    /// is the first that comes.
    ///
    /// # Errors
    /// [`SourceError::Read`] if the folder cannot be read, or `done/` not be made.
    pub fn open(
        camera: &str,
        path: &Path,
        belongs: Belongs,
        after: After,
        quiet: Duration,
        announced: Option<&Announced>,
    ) -> Result<Self, SourceError> {
        if after == After::Move {
            let done = path.join(DONE);
            std::fs::create_dir_all(&done).map_err(|cause| SourceError::Read {
                camera: camera.to_owned(),
                path: done,
                cause,
            })?;
        }
        let mut looks = Looks {
            camera: camera.to_owned(),
            path: path.to_owned(),
            quiet,
            looked_at: Instant::now(),
            files: BTreeMap::new(),
        };
        looks.look()?;
        let pictures = match (belongs, announced) {
            (Belongs::ByPart, _) => Pictures::ByPart(looks),
            (Belongs::InWindow(window), Some(announced)) => {
                let matching = Matching::new(window, quiet + WRITTEN_WITHIN, announced.clone());
                Pictures::InWindow(watch(camera, looks)?, matching)
            }
            (Belongs::AfterTrigger | Belongs::InWindow(_), _) => {
                Pictures::AfterTrigger(watch(camera, looks)?)
            }
        };
        Ok(Self {
            camera: camera.to_owned(),
            path: path.to_owned(),
            after,
            pictures,
            n_taken: 0,
        })
    }

    fn put_away(&self, path: &Path) {
        let name = path.file_name().unwrap_or_default();
        let outcome = match self.after {
            After::Keep => Ok(()),
            After::Move => std::fs::rename(path, self.path.join(DONE).join(name)),
            After::Delete => std::fs::remove_file(path),
        };
        // The part has its frame; what is left lying is for whoever minds the folder.
        if let Err(error) = outcome {
            tracing::warn!(camera = self.camera, path = %path.display(), %error, "a picture could not be put away");
        }
    }
}

impl FrameSource for Watched {
    fn capture(&mut self, trigger: &Trigger, latest: Instant) -> Result<Frame, SourceError> {
        let path = match &mut self.pictures {
            Pictures::AfterTrigger(taker) => taker.take(trigger.arrived_at, latest)?.content,
            Pictures::InWindow(taker, matching) => {
                let taken = taker.take_matched(matching, trigger.arrived_at, latest)?;
                taken.content
            }
            Pictures::ByPart(looks) => looks.wait_for(trigger.part.as_str(), latest)?,
        };
        let frame = read_frame(&self.camera, &path);
        self.put_away(&path);
        self.n_taken += 1;
        let mut frame = frame?;
        frame.camera_frame = self.n_taken;
        Ok(frame)
    }
}

/// Starts the thread that looks, and keeps each picture that is complete. A folder that cannot be read
/// is tried again; what comes meanwhile counts as come at its first look.
fn watch(camera: &str, mut looks: Looks) -> Result<Taker<PathBuf>, SourceError> {
    for seen in looks.files.values_mut() {
        seen.is_told = true;
    }
    let open = || Ok(());
    let next = move |(): &mut (), keeper: &Keeper<PathBuf>| {
        let next = match looks.complete() {
            Some(picture) => Some(picture),
            None if keeper.ends_within(LOOK_EVERY) => None,
            None => {
                looks.look().map_err(|error| with_causes(&error))?;
                looks.complete()
            }
        };
        Ok(next.map(|(path, came_at)| Fresh {
            began_at: came_at,
            n_bytes: 0,
            request: None,
            camera_frame: None,
            content: path,
        }))
    };
    newest::start(camera, open, next)
}

impl Looks {
    fn look(&mut self) -> Result<(), SourceError> {
        let looks_at = Instant::now();
        let mut files = BTreeMap::new();
        for path in entries(&self.camera, &self.path)? {
            // It may have been taken away since the list was made.
            let Ok(metadata) = std::fs::metadata(&path) else {
                continue;
            };
            if !is_picture(&path) {
                continue;
            }
            let (n_bytes, changed) = (metadata.len(), metadata.modified().ok());
            let seen = match self.files.get(&path) {
                Some(seen) if (seen.n_bytes, seen.changed) == (n_bytes, changed) => *seen,
                // Longer than before, or written anew; what was complete before is another picture now.
                before => Seen {
                    n_bytes,
                    changed,
                    came_at: before
                        .filter(|before| !before.is_told)
                        .map_or(self.looked_at, |before| before.came_at),
                    same_since: looks_at,
                    is_told: false,
                },
            };
            files.insert(path, seen);
        }
        self.files = files;
        self.looked_at = looks_at;
        Ok(())
    }

    fn is_complete(&self, seen: &Seen) -> bool {
        let same_for = self.looked_at.saturating_duration_since(seen.same_since);
        self.quiet <= same_for && !same_for.is_zero()
    }

    /// The complete picture that came first of those not told yet, and when it came; by name where
    /// several came together.
    fn complete(&mut self) -> Option<(PathBuf, Instant)> {
        let waiting = self.files.iter().filter(|(_, seen)| !seen.is_told);
        let (path, seen) = waiting.min_by_key(|(_, seen)| seen.came_at)?;
        if !self.is_complete(seen) {
            return None;
        }
        let (path, came_at) = (path.clone(), seen.came_at);
        if let Some(seen) = self.files.get_mut(&path) {
            seen.is_told = true;
        }
        Some((path, came_at))
    }

    fn wait_for(&mut self, part: &str, latest: Instant) -> Result<PathBuf, SourceError> {
        let started = Instant::now();
        loop {
            self.look()?;
            let is_named = |path: &Path| path.file_stem().is_some_and(|stem| stem == part);
            let mut files = self.files.iter();
            let found = files.find(|(path, seen)| is_named(path) && self.is_complete(seen));
            if let Some((path, _)) = found {
                return Ok(path.clone());
            }
            let left = latest.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(SourceError::Timeout {
                    camera: self.camera.clone(),
                    waited_ms: started.elapsed().as_millis(),
                });
            }
            std::thread::park_timeout(left.min(LOOK_EVERY));
        }
    }
}
