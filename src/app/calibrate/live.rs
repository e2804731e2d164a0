//! `taktgate calibrate lens --station`: a person moves the board before the camera, and is told of each look
//! whether it was taken, and what is still missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use taktgate::calibrate::LensGuide;
use taktgate::calibration::Board;
use taktgate::domain::Frame;
use taktgate::source::{pictures_below, read_picture};
use taktgate::vision::{Picture, encode_png};

use super::write_whole;
use crate::app::StationArg;
use crate::app::camera::{open, take};
use crate::app::print::{note, progress, say};
use crate::app::run::on_signal;

/// How long a camera may take for a frame; then it is said, and tried again.
const FRAME_MAX: Duration = Duration::from_secs(2);
/// After a fault; a camera that is gone answers at once.
const AFTER_FAULT: Duration = Duration::from_millis(200);
/// So many of what is missing are said at a time.
const TOLD_MAX: usize = 3;

#[derive(Args)]
pub(super) struct LiveArgs {
    /// Takes the pictures now, with `--camera` of this station, into DIR, and says what is still missing.
    #[arg(long, value_name = "STATION")]
    pub(super) station: Option<PathBuf>,
    /// The most pictures that DIR gets; it ends by itself as soon as nothing is missing.
    #[arg(long, value_name = "N", default_value_t = 30, requires = "station", value_parser = clap::value_parser!(u16).range(4..=200))]
    views: u16,
    /// The longest that pictures are taken.
    #[arg(long, value_name = "N", default_value_t = 600, requires = "station", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

/// Who is told of each look.
struct Teller {
    bar: ProgressBar,
    json: bool,
    n_looks: u64,
    latest: String,
}

/// Takes pictures until nothing is missing, or one of the limits is reached.
pub(super) fn take_views(
    args: &LiveArgs,
    station: &Path,
    (camera, board): (&str, Board),
    (folder, json): (&Path, bool),
) -> anyhow::Result<()> {
    let station = StationArg {
        station: station.to_owned(),
    };
    let mut source = open(&station, Some(camera))?;
    let mut guide = LensGuide::new(board);
    take_up(camera, folder, &mut guide)?;
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    on_signal(move || stop.store(true, Ordering::Relaxed))?;
    let n_views_max = usize::from(args.views);
    let mut teller = Teller {
        bar: progress(n_views_max, "looking for the board"),
        json,
        n_looks: 0,
        latest: String::new(),
    };
    let ends_at = Instant::now() + Duration::from_secs(args.seconds);
    while !guide.missing().is_empty() && guide.n_views() < n_views_max && Instant::now() < ends_at {
        if stopped.load(Ordering::Relaxed) {
            teller.bar.finish_and_clear();
            bail!(
                "stopped; `{}` has {} views: the same command goes on with them, and without `--station` it fits them",
                folder.display(),
                guide.n_views()
            );
        }
        let path = free_path(folder, guide.n_views());
        let seen = match take(source.as_mut(), 1, "board", FRAME_MAX) {
            Ok(frame) => look(&mut guide, &path, &frame)?,
            Err(error) => {
                std::thread::park_timeout(AFTER_FAULT);
                Err(format!("{error:#}"))
            }
        };
        teller.tell(&guide, &path, &seen);
    }
    teller.bar.finish_and_clear();
    let missing = guide.missing();
    if guide.n_views() == 0 {
        bail!("no view was taken; the last look said: {}", teller.latest);
    }
    note(format!(
        "{} views are in `{}`",
        guide.n_views(),
        folder.display()
    ));
    if !missing.is_empty() {
        note(format!("still missing: {}", missing.join("; ")));
    }
    Ok(())
}

/// Looks at a frame, and writes it if it is a view; else why it is none.
fn look(guide: &mut LensGuide, path: &Path, frame: &Frame) -> anyhow::Result<Result<(), String>> {
    let picture = Picture {
        size: frame.size(),
        format: frame.format(),
        pixels: frame.pixels().to_vec(),
    };
    let seen = guide.look(path.to_owned(), &picture)?;
    if seen.is_ok() {
        write_whole(path, &encode_png(frame)?)?;
    }
    Ok(seen.map_err(|why| why.to_string()))
}

/// Makes the folder, or takes up the pictures that are there.
fn take_up(camera: &str, folder: &Path, guide: &mut LensGuide) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for path in pictures_below(camera, folder)? {
        let picture = read_picture(camera, &path)?;
        if let Err(why) = guide.keep(path.clone(), &picture)? {
            note(format!("not used: `{}`: {why}", path.display()));
        }
    }
    Ok(())
}

/// The first name that is free.
fn free_path(folder: &Path, n_views: usize) -> PathBuf {
    let mut number = n_views + 1;
    loop {
        let path = folder.join(format!("view-{number:02}.png"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

impl Teller {
    /// A line of JSON for each look; for people one as often as what is said changes.
    fn tell(&mut self, guide: &LensGuide, path: &Path, seen: &Result<(), String>) {
        self.n_looks += 1;
        self.bar.set_position(guide.n_views() as u64);
        let missing = guide.missing();
        if self.json {
            say(serde_json::json!({
                "look": self.n_looks,
                "taken": seen.is_ok().then(|| path.display().to_string()),
                "not_taken": seen.as_ref().err(),
                "n_views": guide.n_views(),
                "missing": missing,
            }));
        }
        let text = match seen {
            Ok(()) => {
                let n_more = missing.len().saturating_sub(TOLD_MAX);
                let mut next = missing;
                next.truncate(TOLD_MAX);
                if 0 < n_more {
                    next.push(format!("and {n_more} more"));
                }
                if next.is_empty() {
                    next.push("nothing".to_owned());
                }
                format!("taken: `{}`; missing: {}", path.display(), next.join("; "))
            }
            Err(why) => format!("not taken: {why}"),
        };
        if !self.json && text != self.latest {
            if self.bar.is_hidden() {
                note(&text);
            } else {
                self.bar.println(&text);
            }
        }
        self.latest = text;
    }
}
