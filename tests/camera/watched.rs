//! A folder that a foreign camera system writes into.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use taktgate::domain::{Frame, Name, PixelFormat, Reason, SizePx, Trigger};
use taktgate::source::{After, Announced, Belongs, FrameSource, FrameWindow, SourceError, Watched};
use taktgate::vision::encode_png;
use tempfile::TempDir;

use crate::{PATIENCE, trigger};

const QUIET: Duration = Duration::from_millis(60);
const SHORT: Duration = Duration::from_millis(300);

fn png(level: u8) -> Vec<u8> {
    let size = SizePx {
        width_px: 16,
        height_px: 8,
    };
    let pixels = (0..128).map(|at| level.wrapping_add(at)).collect();
    encode_png(&Frame::new("cam", size, PixelFormat::Gray8, pixels, Instant::now()).unwrap())
        .unwrap()
}

fn open(folder: &TempDir, belongs: Belongs, after: After) -> Watched {
    Watched::open("cam", folder.path(), belongs, after, QUIET, None).unwrap()
}

fn level(frame: &Result<Frame, SourceError>) -> u8 {
    frame.as_ref().unwrap().pixels()[0]
}

/// Waits until the thread has looked a few times.
fn looks() {
    std::thread::park_timeout(Duration::from_millis(100));
}

fn part(name: &str) -> Trigger {
    Trigger {
        part: Name::new(name).unwrap(),
        ..trigger()
    }
}

#[test]
fn a_part_gets_the_picture_that_came_after_its_trigger() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("before-opening.png"), png(1)).unwrap();
    let mut watched = open(&folder, Belongs::AfterTrigger, After::Keep);
    fs::write(at("z-before-trigger.png"), png(2)).unwrap();
    looks();
    let first = trigger();
    let none = watched.capture(&first, Instant::now() + SHORT);
    assert!(matches!(none, Err(SourceError::Timeout { .. })), "{none:?}");
    fs::write(at("notes.txt"), "no picture").unwrap();
    // Two parts wait: each gets its own, in their order, whatever the names say.
    fs::write(at("y.png"), png(3)).unwrap();
    looks();
    let second = trigger();
    looks();
    fs::write(at("a.png"), png(4)).unwrap();
    let frame = watched.capture(&first, Instant::now() + PATIENCE);
    assert_eq!(level(&frame), 3);
    let frame = watched.capture(&second, Instant::now() + PATIENCE);
    assert_eq!(level(&frame), 4);
    // The same name again with another picture is another picture.
    let third = trigger();
    looks();
    fs::write(at("a.png"), png(5)).unwrap();
    let frame = watched.capture(&third, Instant::now() + PATIENCE);
    assert_eq!(level(&frame), 5);
    assert!(at("a.png").exists() && at("y.png").exists());
}

#[test]
fn a_file_that_is_still_being_written_is_never_read() {
    for belongs in [Belongs::AfterTrigger, Belongs::ByPart] {
        let folder = tempfile::tempdir().unwrap();
        let mut watched = open(&folder, belongs, After::Keep);
        let path = folder.path().join("P-1.png");
        let (bytes, trigger) = (png(9), part("P-1"));
        looks();
        let writer = std::thread::spawn(move || {
            for n_bytes in 1..=bytes.len() {
                if n_bytes % 8 == 0 || n_bytes == bytes.len() {
                    fs::write(&path, &bytes[..n_bytes]).unwrap();
                    std::thread::park_timeout(QUIET / 4);
                }
            }
        });
        let frame = watched.capture(&trigger, Instant::now() + PATIENCE);
        assert_eq!(level(&frame), 9);
        writer.join().unwrap();
        // A writer that died leaves half a picture, which is refused as such.
        let half = png(8);
        let trigger = part("P-2");
        looks();
        fs::write(folder.path().join("P-2.png"), &half[..half.len() / 2]).unwrap();
        let error = watched
            .capture(&trigger, Instant::now() + PATIENCE)
            .unwrap_err();
        assert_eq!(error.reason(), Reason::ImageUnfit, "{error}");
    }
}

#[test]
fn a_part_gets_the_picture_that_is_named_like_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("P-7.png"), png(7)).unwrap();
    let mut watched = open(&folder, Belongs::ByPart, After::Keep);
    let frame = watched.capture(&part("P-7"), Instant::now() + PATIENCE);
    assert_eq!(level(&frame), 7);
    let none = watched.capture(&part("P-8"), Instant::now() + SHORT);
    assert_eq!(none.unwrap_err().reason(), Reason::NoFrame);
}

#[test]
fn a_picture_that_a_part_has_got_is_kept_moved_or_deleted() {
    let ends = |after: After| {
        let folder = tempfile::tempdir().unwrap();
        let mut watched = open(&folder, Belongs::ByPart, after);
        for name in ["P-1.png", "P-2.png"] {
            fs::write(folder.path().join(name), png(3)).unwrap();
        }
        let frame = watched.capture(&part("P-1"), Instant::now() + PATIENCE);
        assert_eq!(level(&frame), 3);
        assert!(folder.path().join("P-2.png").exists(), "of another part");
        let is_there = |path: &Path| folder.path().join(path).exists();
        (
            is_there(Path::new("P-1.png")),
            is_there(Path::new("done/P-1.png")),
        )
    };
    assert_eq!(ends(After::Keep), (true, false));
    assert_eq!(ends(After::Move), (false, true));
    assert_eq!(ends(After::Delete), (false, false));
}

#[test]
fn a_folder_that_is_not_there_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("share");
    let opened = Watched::open("cam", &path, Belongs::ByPart, After::Keep, QUIET, None);
    let text = opened.err().unwrap().to_string();
    assert_eq!(
        text,
        format!("camera `cam`: cannot read `{}`", path.display())
    );
}

/// What a part gets whose picture, if any, is written while it waits.
fn announced(
    watched: &mut Watched,
    announced: &Announced,
    writes: impl FnOnce() + Send,
) -> Result<Frame, SourceError> {
    let trigger = trigger();
    announced.push(trigger.arrived_at);
    std::thread::scope(|scope| {
        scope.spawn(writes);
        watched.capture(&trigger, Instant::now() + PATIENCE)
    })
}

#[test]
fn in_a_window_a_missing_or_additional_picture_shifts_no_later_part() {
    let folder = tempfile::tempdir().unwrap();
    let window = FrameWindow {
        before: Duration::from_millis(50),
        after: Duration::from_millis(400),
    };
    let line = Announced::default();
    let belongs = Belongs::InWindow(window);
    let open = Watched::open(
        "cam",
        folder.path(),
        belongs,
        After::Keep,
        QUIET,
        Some(&line),
    );
    let mut watched = open.unwrap();
    let write = |level: u8| fs::write(folder.path().join(format!("{level}.png")), png(level));
    let mut part = |levels: &'static [u8]| {
        announced(&mut watched, &line, || {
            for one in levels {
                write(*one).unwrap();
                looks();
            }
        })
    };
    assert_eq!(level(&part(&[1])), 1);
    let missing = part(&[]).unwrap_err();
    assert_eq!(missing.reason(), Reason::NoFrame, "{missing}");
    // A folder has no numbers that would tell whether this is the picture that was missing.
    let doubt = part(&[3]).unwrap_err();
    assert_eq!(doubt.reason(), Reason::Sequence, "{doubt}");
    assert_eq!(level(&part(&[4])), 4);
    let doubled = part(&[5, 6]).unwrap_err();
    assert_eq!(doubled.reason(), Reason::Sequence, "{doubled}");
    assert_eq!(level(&part(&[7])), 7);
    // Between two parts comes one that is nobody's.
    std::thread::park_timeout(window.after + 2 * SHORT);
    write(8).unwrap();
    std::thread::park_timeout(SHORT);
    assert_eq!(level(&part(&[9])), 9);
}
