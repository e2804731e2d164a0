//! A simulated line: parts, announcements that come early or late, a light barrier that misses parts or
//! fires between them, frames that get lost on their way.

use proptest::prelude::*;

use super::*;

const WINDOW: FrameWindow = FrameWindow {
    before: Duration::from_millis(40),
    after: Duration::from_millis(60),
};
const FRAME_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a part can wait: less than window and timeout together.
const PATIENCE: Duration = Duration::from_millis(150);

/// What happens to a part at the camera.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Seen,
    /// The light barrier misses it.
    Missed,
    /// Its frame gets lost between the camera and us.
    Lost,
    /// The light barrier fires once more, so many ms later, but before the next part's window.
    Twice(u64),
}

/// A part: the time since the one before, when it is announced seen from the camera, its fate, and how
/// long a frame takes to us.
type Part = (u64, i64, Fate, u64);

fn part() -> impl Strategy<Value = Part> {
    let fate = prop_oneof![
        6 => Just(Fate::Seen),
        1 => Just(Fate::Missed),
        1 => Just(Fate::Lost),
        1 => (1_u64..100).prop_map(Fate::Twice),
    ];
    (200_u64..600, -55_i64..35, fate, 5_u64..25)
}

/// What came of each part: the part that its frame shows, or why it has none.
fn run(parts: &[Part], first_number: u64) -> Vec<Result<usize, Match>> {
    let start = Instant::now() + Duration::from_secs(1);
    let (mut at_ms, mut number, mut count) = (1_000, first_number, 0);
    let (mut came, mut shows, mut announced_at) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (distance, announced, fate, transfer)) in parts.iter().enumerate() {
        at_ms += distance;
        announced_at.push(start + Duration::from_millis(at_ms.saturating_add_signed(*announced)));
        let edges = match fate {
            Fate::Missed => vec![],
            Fate::Seen | Fate::Lost => vec![0],
            Fate::Twice(later) => vec![0, *later],
        };
        for later in edges {
            number = if number == 65_535 { 1 } else { number + 1 };
            if *fate == Fate::Lost {
                continue;
            }
            count += 1;
            let began_at = start + Duration::from_millis(at_ms + later);
            came.push(Arrival {
                count,
                number,
                began_at,
                came_at: began_at + Duration::from_millis(*transfer),
            });
            shows.push(index);
        }
    }
    let announced = Announced::default();
    let mut matching = Matching::new(WINDOW, FRAME_TIMEOUT, announced.clone());
    let mut told = 0;
    let mut of_part = |part_at: Instant| {
        let mut now = part_at;
        loop {
            while told < announced_at.len() && announced_at[told] <= now {
                announced.push(announced_at[told]);
                told += 1;
            }
            let here: Vec<_> = came.iter().copied().filter(|c| c.came_at <= now).collect();
            match matching.of_part(part_at, &here, (now, part_at + PATIENCE)) {
                Match::Wait(until) => {
                    let next = came.iter().map(|one| one.came_at).find(|at| now < *at);
                    now = next.map_or(until, |next| next.min(until));
                }
                Match::Frame(count) => {
                    return Ok(shows[usize::try_from(count).unwrap() - 1]);
                }
                found @ (Match::None | Match::Doubt(_)) => return Err(found),
            }
        }
    };
    announced_at.clone().into_iter().map(&mut of_part).collect()
}

proptest! {
    #[test]
    fn no_part_gets_the_frame_of_another_and_one_part_after_a_fault_all_is_well(
        parts in prop::collection::vec(part(), 1..40),
        first_number in prop_oneof![Just(0_u64), 65_500_u64..65_536],
    ) {
        let found = run(&parts, first_number);
        for (index, found) in found.iter().enumerate() {
            let fate = parts[index].2;
            match found {
                Ok(shown) => prop_assert_eq!(*shown, index, "{:?}", fate),
                Err(Match::None) => prop_assert!(matches!(fate, Fate::Missed | Fate::Lost)),
                Err(Match::Doubt(_)) => {
                    let before = index.checked_sub(1).map(|before| parts[before].2);
                    let is_clean = |fate: Fate| fate == Fate::Seen;
                    prop_assert!(!is_clean(fate) || before.is_some_and(|fate| !is_clean(fate)));
                }
                Err(found @ (Match::Wait(_) | Match::Frame(_))) => prop_assert!(false, "{found:?}"),
            }
        }
    }
}

/// Parts 300 ms apart, announced as they pass.
fn steady(fates: &[Fate]) -> Vec<String> {
    let parts: Vec<Part> = fates.iter().map(|fate| (300, 0, *fate, 10)).collect();
    let say = |found: Result<usize, Match>| match found {
        Ok(shown) => format!("frame of part {shown}"),
        Err(Match::None) => "none".to_owned(),
        Err(Match::Doubt(text)) => text,
        Err(found @ (Match::Wait(_) | Match::Frame(_))) => format!("{found:?}"),
    };
    run(&parts, 0).into_iter().map(say).collect()
}

#[test]
fn a_frame_that_was_lost_on_its_way_is_known_by_the_cameras_numbers() {
    let found = steady(&[Fate::Seen, Fate::Lost, Fate::Lost, Fate::Seen]);
    assert_eq!(
        found,
        ["frame of part 0", "none", "none", "frame of part 3"]
    );
}

#[test]
fn after_a_part_that_the_barrier_missed_the_next_is_a_doubt_and_the_one_after_it_is_not() {
    let found = steady(&[Fate::Seen, Fate::Missed, Fate::Seen, Fate::Seen]);
    assert_eq!(found[1], "none");
    insta::assert_snapshot!(found[2], @"before frame 2 of the camera 0 are missing, and the parts that went without one are 1; resynchronised with this frame");
    assert_eq!(found[3], "frame of part 3");
}

#[test]
fn a_part_with_two_frames_is_a_doubt_and_one_between_parts_is_nobodys() {
    let found = steady(&[Fate::Twice(30), Fate::Seen, Fate::Twice(150), Fate::Seen]);
    insta::assert_snapshot!(found[0], @"2 frames began within this part's window; is the camera triggered twice?");
    assert_eq!(
        found[1..],
        ["frame of part 1", "frame of part 2", "frame of part 3"]
    );
}

#[test]
fn parts_closer_together_than_their_windows_are_a_doubt() {
    let parts = [(300, 0, Fate::Seen, 10), (80, -50, Fate::Seen, 10)];
    let found = run(&parts, 0);
    insta::assert_snapshot!(format!("{:?}", found[0]), @r#"Err(Doubt("its frame lies in the windows of two parts; make the window narrower, or the distance of the parts larger"))"#);
    assert!(found[1].is_err());
}

#[test]
fn missing_frames_are_counted_over_the_end_of_a_round() {
    for (before, frame_id, missing) in [
        (7, 8, 0),
        (7, 11, 3),
        (65_535, 1, 0),
        (65_534, 1, 1),
        (65_535, 3, 2),
        // A camera that begins its rounds at 0.
        (65_535, 0, 0),
        (70_000, 70_002, 1),
        // No numbers at all.
        (0, 0, 0),
    ] {
        assert_eq!(
            missing_between(before, frame_id),
            missing,
            "{before} {frame_id}"
        );
    }
}

#[test]
fn a_frame_that_comes_when_its_part_could_wait_no_longer_is_not_the_next_parts() {
    let first = Instant::now() + Duration::from_secs(1);
    let second = first + Duration::from_millis(300);
    let came = |began_at: Instant| Arrival {
        count: 1,
        number: 1,
        began_at,
        came_at: began_at,
    };
    let mut matching = Matching::new(WINDOW, Duration::from_secs(1), Announced::default());
    let settle = |at: Instant| (at + Duration::from_secs(2), at + Duration::from_secs(2));
    let seen = came(first);
    assert_eq!(
        matching.of_part(first, &[seen], settle(first)),
        Match::Frame(1)
    );
    // The next part gives up before its window and the timeout have passed ...
    let part = second;
    let latest = part + Duration::from_millis(50);
    assert_eq!(
        matching.of_part(part, &[seen], (latest, latest)),
        Match::None
    );
    // ... and its frame, or that of the part after it, comes in the window of that one.
    let part = second + Duration::from_millis(300);
    let late = Arrival {
        count: 2,
        number: 2,
        ..came(part)
    };
    let found = matching.of_part(part, &[seen, late], settle(part));
    assert!(matches!(found, Match::Doubt(_)), "{found:?}");
}
