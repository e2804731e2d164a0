//! A record as a station of another day wrote it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use taktgate::domain::{InspectionRecord, Name, StageTimings, Trigger, Verdict};

/// Number `n` of a day, a second after the one before.
pub(crate) fn record(n: u32, verdict: Verdict) -> InspectionRecord {
    let at = Timestamp::from_second(1_795_000_000 + i64::from(n)).unwrap();
    InspectionRecord {
        id: format!("id-{n:04}"),
        station: "st-07".into(),
        trigger: Trigger {
            sequence: n,
            part: Name::new(&format!("part-{n}")).unwrap(),
            part_type: Name::new("b-pillar").unwrap(),
            lot: Some(Name::new(if n.is_multiple_of(2) { "even" } else { "odd" }).unwrap()),
            supplier: None,
            arrived_at: Instant::now(),
            arrived_at_utc: at,
            deadline: Instant::now(),
        },
        verdict,
        part_read: None,
        late: false,
        findings: vec![],
        views: vec![],
        recipe: None,
        models: vec![],
        calibrations: vec![],
        timings: StageTimings::default(),
        decided_at_utc: at + Duration::from_micros(250),
        clock_stepped_s: None,
        software_version: "0.1.0".into(),
    }
}
