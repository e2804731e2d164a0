//! A frame for each view of a part. Several cameras are asked at the same time, each on a thread of
//! its own, so that they see the same moment and their pictures are decoded beside each other.

use std::collections::BTreeMap;
use std::thread::{Builder, ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::domain::{Frame, Name, Reason, Trigger};
use crate::inspect::{Capture, with_causes};
use crate::recipe::View;
use crate::source::FrameSource;

/// How long a look for no part may take.
const LOOK_MAX: Duration = Duration::from_millis(500);

pub(in crate::station) type Sources = BTreeMap<String, Box<dyn FrameSource>>;

/// A capture for each view, in their order, and by view the frames that came.
pub(super) fn look(
    sources: &mut Sources,
    views: &[View],
    trigger: &Trigger,
    latest: Instant,
) -> (Vec<Capture>, Vec<(String, Frame)>) {
    // Views of one camera are taken one after the other.
    let asked: Vec<(&mut Box<dyn FrameSource>, Vec<usize>)> = sources
        .iter_mut()
        .map(|(camera, source)| {
            let of_it = views.iter().enumerate();
            let of_it = of_it.filter(|(_, view)| view.camera == *camera);
            (source, of_it.map(|(number, _)| number).collect())
        })
        .filter(|(_, numbers): &(_, Vec<_>)| !numbers.is_empty())
        .collect();
    let taken = if asked.len() < 2 {
        let asked = asked.into_iter();
        asked
            .flat_map(|(source, numbers)| capture_all(source.as_mut(), numbers, trigger, latest))
            .collect()
    } else {
        at_the_same_time(asked, trigger, latest)
    };
    let mut taken: BTreeMap<usize, Capture> = taken.into_iter().collect();
    let (mut captures, mut frames) = (Vec::new(), Vec::new());
    for (number, view) in views.iter().enumerate() {
        let capture = taken
            .remove(&number)
            .unwrap_or_else(|| none(format!("no camera `{}`", view.camera)));
        if let Ok(frame) = &capture.frame {
            frames.push((view.name.clone(), frame.clone()));
        }
        captures.push(capture);
    }
    (captures, frames)
}

/// A frame of one camera for no part: the newest that it has from now on.
///
/// # Errors
/// Says why there is none.
pub(super) fn look_once(sources: &mut Sources, camera: &str) -> Result<Frame, String> {
    let source = sources.get_mut(camera);
    let source = source.ok_or_else(|| format!("no camera `{camera}`"))?;
    let nobody = Name::new("nobody").map_err(|error| error.to_string())?;
    let now = Instant::now();
    let trigger = Trigger {
        sequence: 0,
        part: nobody.clone(),
        part_type: nobody,
        lot: None,
        supplier: None,
        arrived_at: now,
        arrived_at_utc: Timestamp::now(),
        deadline: now + LOOK_MAX,
    };
    let frame = source.capture(&trigger, trigger.deadline);
    frame.map_err(|error| with_causes(&error))
}

fn at_the_same_time(
    asked: Vec<(&mut Box<dyn FrameSource>, Vec<usize>)>,
    trigger: &Trigger,
    latest: Instant,
) -> Vec<(usize, Capture)> {
    scope(|scope| {
        let looks: Vec<_> = asked
            .into_iter()
            .map(|(source, numbers)| {
                let look = {
                    let numbers = numbers.clone();
                    move || capture_all(source.as_mut(), numbers, trigger, latest)
                };
                let thread = Builder::new().name("look".to_owned());
                (numbers, thread.spawn_scoped(scope, look))
            })
            .collect();
        looks
            .into_iter()
            .flat_map(|(numbers, look)| match look {
                Ok(look) => joined(look),
                Err(error) => {
                    let text = format!("no thread to look with: {error}");
                    let none = |number| (number, none(text.clone()));
                    numbers.into_iter().map(none).collect()
                }
            })
            .collect()
    })
}

// A panic of a driver is one of the inspecting thread, as if it had been called there.
fn joined<T>(look: ScopedJoinHandle<'_, T>) -> T {
    look.join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn capture_all(
    source: &mut dyn FrameSource,
    numbers: Vec<usize>,
    trigger: &Trigger,
    latest: Instant,
) -> Vec<(usize, Capture)> {
    let capture = |number| {
        let started = Instant::now();
        let frame = source
            .capture(trigger, latest)
            .map_err(|error| (error.reason(), with_causes(&error)));
        let took = started.elapsed();
        (number, Capture { frame, took })
    };
    numbers.into_iter().map(capture).collect()
}

fn none(text: String) -> Capture {
    Capture {
        frame: Err((Reason::NoFrame, text)),
        took: Duration::ZERO,
    }
}
