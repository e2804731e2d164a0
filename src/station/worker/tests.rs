//! A second look at a doubtful part, with a real model and a camera that shows what a test wants.

use std::path::Path;

use super::*;
use crate::calibration::Calibration;
use crate::domain::{Name, PixelFormat, SizePx};
use crate::inspect::ViewParts;
use crate::model::{ModelPackage, OnnxDetector, Runtime, SessionOptions};
use crate::recipe::Recipe;
use crate::source::{FrameSource, SourceError};

/// Shows squares of these grey levels, one a look; then none.
struct Looks(VecDeque<u8>);

impl FrameSource for Looks {
    fn capture(&mut self, _trigger: &Trigger, _latest: Instant) -> Result<Frame, SourceError> {
        let square = self.0.pop_front().ok_or_else(|| SourceError::Device {
            camera: "cam".to_owned(),
            text: "it shows no more".to_owned(),
        })?;
        let pixels = (0..64 * 48_u32).map(|n| {
            let (x, y) = (n % 64, n / 64);
            let is_inside = (20..44).contains(&x) && (16..32).contains(&y);
            let texture = u8::try_from((x * 7 + y * 13) % 32).unwrap();
            if is_inside { square } else { 20 + texture }
        });
        let size = SizePx {
            width_px: 64,
            height_px: 48,
        };
        let pixels = pixels.collect();
        Ok(Frame::new("cam", size, PixelFormat::Gray8, pixels, Instant::now()).unwrap())
    }
}

const RECIPE: &str = r#"
schema = 1
part_type = "bracket"
revision = 1
[[views]]
name = "top"
camera = "cam"
model = "anomaly/1.0.0"
[[views.zones]]
name = "all"
[views.zones.limits."*"]
score_doubtful = 0.5
score_reject = 0.9
"#;

fn worker(doubt: Doubt, looks: &[u8]) -> Worker {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/anomaly");
    let package = ModelPackage::open(&folder).unwrap();
    let runtime = Runtime::load(None).unwrap();
    let (detector, _) = OnnxDetector::load(package, &runtime, &SessionOptions::default()).unwrap();
    let recipe = Recipe::parse("recipe.toml".as_ref(), RECIPE).unwrap();
    let parts = ViewParts {
        calibration: Calibration::scale_only("cam", 0.5),
        flat_field: None,
        reference: None,
        detectors: vec![std::sync::Arc::new(detector)],
    };
    let source: Box<dyn FrameSource> = Box::new(Looks(looks.iter().copied().collect()));
    Worker {
        sources: BTreeMap::from([("cam".to_owned(), source)]),
        inspectors: vec![Inspector::new(recipe, vec![parts]).unwrap()],
        doubt,
        presence: None,
        frames_lost: 0,
        loaded_at: (Instant::now(), Timestamp::now()),
    }
}

fn inspect(doubt: Doubt, looks: &[u8], deadline: Duration) -> Inspected {
    worker(doubt, looks).inspect(trigger(deadline))
}

fn trigger(deadline: Duration) -> Trigger {
    let arrived_at = Instant::now();
    Trigger {
        sequence: 1,
        part: Name::new("part-1").unwrap(),
        part_type: Name::new("bracket").unwrap(),
        lot: None,
        supplier: None,
        arrived_at,
        arrived_at_utc: Timestamp::now(),
        deadline: arrived_at + deadline,
    }
}

const GOOD: u8 = 30;
const DOUBTFUL: u8 = 190;
const BAD: u8 = 250;

fn verdict(doubt: Doubt, looks: &[u8]) -> String {
    let inspected = inspect(doubt, looks, Duration::from_mins(1));
    inspected.evidence.inspection.verdict.to_string()
}

#[test]
fn a_doubt_is_looked_at_again_and_the_second_frame_decides_alone() {
    let again = |looks: &[u8]| verdict(Doubt::Reinspect, looks);
    assert_eq!(again(&[DOUBTFUL, GOOD]), "ok");
    assert_eq!(again(&[DOUBTFUL, BAD]), "ng");
    assert_eq!(again(&[DOUBTFUL, DOUBTFUL + 1]), "indeterminate (doubtful)");
    assert_eq!(again(&[DOUBTFUL]), "indeterminate (no_frame)");
    // A frozen camera shows nothing new.
    assert_eq!(again(&[DOUBTFUL, DOUBTFUL]), "indeterminate (image_unfit)");
}

#[test]
fn what_is_sure_is_not_looked_at_again() {
    assert_eq!(verdict(Doubt::Reinspect, &[GOOD, BAD]), "ok");
    assert_eq!(verdict(Doubt::Reinspect, &[BAD, GOOD]), "ng");
    assert_eq!(
        verdict(Doubt::Review, &[DOUBTFUL, GOOD]),
        "indeterminate (doubtful)"
    );
    assert_eq!(verdict(Doubt::Reject, &[DOUBTFUL, GOOD]), "ng");
    assert_eq!(verdict(Doubt::Reject, &[GOOD, BAD]), "ok");
}

#[test]
fn the_record_holds_the_frame_that_decided_and_says_that_it_was_the_second() {
    let inspected = inspect(Doubt::Reinspect, &[DOUBTFUL, GOOD], Duration::from_mins(1));
    let Evidence {
        inspection, frames, ..
    } = inspected.evidence;
    assert_eq!(
        inspection.views[0].note,
        "second look: the first frame left a doubt"
    );
    assert_eq!(frames.len(), 1);
    let middle = frames[0].1.pixels()[24 * 64 + 32];
    assert_eq!(middle, GOOD);
}

#[test]
fn there_is_no_second_look_without_the_time_for_it() {
    let inspected = inspect(Doubt::Reinspect, &[DOUBTFUL, GOOD], Duration::ZERO);
    let verdict = inspected.evidence.inspection.verdict;
    assert_eq!(verdict, Verdict::Indeterminate(Reason::Doubtful));
}

/// A recipe whose views, each named and with its camera, are all looked at alike.
fn recipe_of(views: &[(&str, &str)]) -> String {
    let (head, view) = RECIPE.split_once("[[views]]").unwrap();
    let view = |(name, camera): &(&str, &str)| {
        let view = view.replacen("\"top\"", &format!("{name:?}"), 1);
        format!(
            "[[views]]{}",
            view.replace("\"cam\"", &format!("{camera:?}"))
        )
    };
    head.to_owned() + &views.iter().map(view).collect::<String>()
}

/// Gives a frame only when the other camera is asked at the same time.
struct Meeting(&'static str, std::sync::Arc<std::sync::Barrier>, u8);

impl FrameSource for Meeting {
    fn capture(&mut self, _trigger: &Trigger, _latest: Instant) -> Result<Frame, SourceError> {
        if self.2 == 0 {
            self.1.wait();
        }
        self.2 += 1;
        let size = SizePx {
            width_px: 8,
            height_px: 8,
        };
        let pixels = vec![self.2; 64];
        Ok(Frame::new(self.0, size, PixelFormat::Gray8, pixels, Instant::now()).unwrap())
    }
}

#[test]
fn cameras_are_asked_at_the_same_time_and_views_of_one_camera_one_after_the_other() {
    let named = [
        ("left", "a"),
        ("right", "b"),
        ("left again", "a"),
        ("nowhere", "c"),
    ];
    let views = Recipe::parse("recipe.toml".as_ref(), &recipe_of(&named))
        .unwrap()
        .views;
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
    let meeting = |name| -> Box<dyn FrameSource> {
        Box::new(Meeting(name, std::sync::Arc::clone(&barrier), 0))
    };
    let mut sources = Sources::from([
        ("a".to_owned(), meeting("a")),
        ("b".to_owned(), meeting("b")),
    ]);
    let trigger = trigger(Duration::from_mins(1));
    let (captures, frames) = look(&mut sources, &views, &trigger, trigger.deadline);
    let seen = frames
        .iter()
        .map(|(view, frame)| (view.as_str(), frame.camera.as_str(), frame.pixels()[0]));
    let expected = [("left", "a", 1), ("right", "b", 1), ("left again", "a", 2)];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(captures.len(), 4);
    let (reason, text) = captures[3].frame.as_ref().unwrap_err();
    assert_eq!((*reason, text.as_str()), (Reason::NoFrame, "no camera `c`"));
}
