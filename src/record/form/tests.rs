//! The form: a snapshot of it, its limits, and that it reads back as it was written.

use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::domain::{Class, Detection, Grade, Reason, Score, Trigger};

fn finding(grade: Grade, length_mm: f64, n_points: u16) -> Finding {
    Finding {
        view: "top".into(),
        detection: Detection {
            class: Class {
                name: Arc::from("crack"),
                code: Arc::from("iso6520-1:100"),
            },
            score: Score::new(0.91).unwrap(),
            region_px: RectPx {
                x: -0.04,
                y: 10.26,
                width: 30.0,
                height: 4.0,
            },
            outline_px: (0..n_points)
                .map(|n| PointPx {
                    x: f64::from(n) + 0.123,
                    y: 7.0,
                })
                .collect(),
            has_mask: true,
            cell_px: 1.0,
        },
        region_mm: RectMm {
            x: 1.0,
            y: 2.000_4,
            width: 12.4,
            height: 0.5,
        },
        length_mm,
        length_uncertainty_mm: None,
        area_mm2: 3.1,
        zone: "flange".into(),
        grade,
        because: "length 12.4 mm over 5 mm".into(),
    }
}

fn record(verdict: Verdict, findings: Vec<Finding>) -> InspectionRecord {
    let at: Timestamp = "2026-11-22T10:15:30.5Z".parse().unwrap();
    let item = |name: &str| ItemVersion {
        name: name.into(),
        version: "1".into(),
        sha256: "ab".repeat(32),
    };
    InspectionRecord {
        id: "0193".into(),
        station: "st-07".into(),
        trigger: Trigger {
            sequence: 7,
            part: Name::new("Träger 4711").unwrap(),
            part_type: Name::new("b-pillar").unwrap(),
            lot: Some(Name::new("L1").unwrap()),
            supplier: None,
            arrived_at: Instant::now(),
            arrived_at_utc: at,
            deadline: Instant::now(),
        },
        verdict,
        part_read: None,
        late: false,
        findings,
        views: vec![ViewRecord {
            view: "top".into(),
            camera: "cam-1".into(),
            camera_frame: Some(41),
            origin: None,
            image_sha256: Some("cd".repeat(32)),
            image_path: Some("2026/11/22/0193-top.jpg".into()),
            verdict,
            note: String::new(),
            placement: None,
        }],
        recipe: Some(item("b-pillar")),
        models: vec![item("crack")],
        calibrations: vec![item("cam-1")],
        timings: StageTimings {
            infer: Duration::from_nanos(12_345_678),
            ..StageTimings::default()
        },
        decided_at_utc: at,
        clock_stepped_s: None,
        software_version: "0.1.0".into(),
    }
}

fn json(record: &InspectionRecord) -> Result<String, FormError> {
    RecordForm::from_record(record, "ef").to_json()
}

/// A change here is a change of the wire: it needs a new number.
const SCHEMA_1: &str = r#"{
  "schema": 1,
  "id": "0193",
  "station": "st-07",
  "sequence": 7,
  "part_id": "Träger 4711",
  "part_type": "b-pillar",
  "lot": "L1",
  "supplier": null,
  "triggered_at_utc": "2026-11-22T10:15:30.5Z",
  "decided_at_utc": "2026-11-22T10:15:30.5Z",
  "verdict": "ng",
  "result_code": 2,
  "reason": null,
  "late": false,
  "findings": [
    {
      "view": "top",
      "class": "crack",
      "code": "iso6520-1:100",
      "score": 0.91,
      "region_px": {
        "x": 0.0,
        "y": 10.3,
        "width": 30.0,
        "height": 4.0
      },
      "outline_px": [
        [
          0.1,
          7.0
        ],
        [
          1.1,
          7.0
        ],
        [
          2.1,
          7.0
        ]
      ],
      "has_mask": true,
      "region_mm": {
        "x": 1.0,
        "y": 2.0,
        "width": 12.4,
        "height": 0.5
      },
      "length_mm": 12.4,
      "area_mm2": 3.1,
      "zone": "flange",
      "grade": "reject",
      "because": "length 12.4 mm over 5 mm"
    }
  ],
  "n_findings_left_out": 0,
  "views": [
    {
      "view": "top",
      "camera": "cam-1",
      "camera_frame": 41,
      "origin": null,
      "image_sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
      "image_path": "2026/11/22/0193-top.jpg",
      "verdict": "ng",
      "reason": null,
      "note": ""
    }
  ],
  "recipe": {
    "name": "b-pillar",
    "version": "1",
    "sha256": "abababababababababababababababababababababababababababababababab"
  },
  "models": [
    {
      "name": "crack",
      "version": "1",
      "sha256": "abababababababababababababababababababababababababababababababab"
    }
  ],
  "calibrations": [
    {
      "name": "cam-1",
      "version": "1",
      "sha256": "abababababababababababababababababababababababababababababababab"
    }
  ],
  "timings": {
    "capture_ms": 0.0,
    "fitness_ms": 0.0,
    "prepare_ms": 0.0,
    "infer_ms": 12.346,
    "decode_ms": 0.0,
    "judge_ms": 0.0,
    "total_ms": 0.0
  },
  "software_version": "0.1.0",
  "previous_sha256": "ef"
}"#;

#[test]
fn the_form_of_schema_1_is_this() {
    let record = record(Verdict::Ng, vec![finding(Grade::Reject, 12.4, 3)]);
    let form = RecordForm::from_record(&record, "ef");
    assert_eq!(serde_json::to_string_pretty(&form).unwrap(), SCHEMA_1);
}

#[test]
fn what_is_too_much_is_cut_and_counted() {
    let mut findings = vec![finding(Grade::Tolerated, 1.0, 0); FINDINGS_MAX];
    findings.push(finding(Grade::Reject, 9.0, 1000));
    let mut long = record(Verdict::Ng, findings);
    long.views[0].note = "ä".repeat(TEXT_LENGTH_MAX + 1);
    let form = RecordForm::from_record(&long, "");
    assert_eq!(
        (form.findings.len(), form.n_findings_left_out),
        (FINDINGS_MAX, 1)
    );
    let worst = &form.findings[0];
    assert_eq!(worst.grade, GradeWord::Reject);
    assert_eq!(worst.outline_px.len(), OUTLINE_POINTS_MAX);
    let ends = [worst.outline_px.first(), worst.outline_px.last()];
    assert_eq!(
        format!("{ends:?}"),
        "[Some([0.1, 7.0]), Some([984.1, 7.0])]"
    );
    assert_eq!(form.views[0].note.chars().count(), TEXT_LENGTH_MAX + 3);
}

#[test]
fn a_number_that_is_none_is_refused_and_not_made_up() {
    let bad = record(Verdict::Ng, vec![finding(Grade::Reject, f64::NAN, 3)]);
    insta::assert_snapshot!(json(&bad).unwrap_err(), @"`length_mm` of record `0193` is not a finite number; check the calibration that measured it");
}

#[test]
fn only_whole_records_of_schema_1_are_read() {
    let good = json(&record(Verdict::Indeterminate(Reason::Doubtful), vec![])).unwrap();
    assert!(RecordForm::parse(&good).is_ok());
    let told = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good);
        RecordForm::parse(&changed).unwrap_err().to_string()
    };
    insta::assert_snapshot!(told("\"schema\":1", "\"schema\":2,\"colour\":3"), @"the record has schema 2, this program reads 1; use the taktgate that wrote it");
    insta::assert_snapshot!(told("\"late\":", "\"latest\":"), @"this is no inspection record of schema 1; was it changed by hand?");
    insta::assert_snapshot!(told("\"doubtful\"", "\"moody\""), @"this is no inspection record of schema 1; was it changed by hand?");
    insta::assert_snapshot!(told("\"doubtful\"", "null"), @"record `0193`: verdict, reason and result code contradict each other; was it changed by hand?");
    insta::assert_snapshot!(told("\"result_code\":3", "\"result_code\":1"), @"record `0193`: verdict, reason and result code contradict each other; was it changed by hand?");
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    let reasons = proptest::sample::select(Reason::ALL.to_vec());
    prop_oneof![
        Just(Verdict::Ok),
        Just(Verdict::Ng),
        reasons.prop_map(Verdict::Indeterminate)
    ]
}

fn findings() -> impl Strategy<Value = Finding> {
    let grades = proptest::sample::select(vec![Grade::Tolerated, Grade::Doubtful, Grade::Reject]);
    let far = -1e6..1e6;
    let rects = proptest::array::uniform4(far.clone());
    let outlines = proptest::collection::vec((far.clone(), far.clone()), 0..80);
    let numbers = (0.0..=1.0f32, far, rects.clone(), rects, outlines);
    (grades, numbers, ".*", any::<bool>()).prop_map(|(grade, numbers, text, has_mask)| {
        let (score, length, [x, y, width, height], mm, outline) = numbers;
        let mut finding = finding(grade, length, 0);
        finding.detection.score = Score::new(score).unwrap();
        finding.detection.region_px = RectPx {
            x,
            y,
            width,
            height,
        };
        finding.detection.outline_px = outline.into_iter().map(|(x, y)| PointPx { x, y }).collect();
        finding.detection.has_mask = has_mask;
        finding.region_mm.x = mm[0];
        finding.area_mm2 = mm[1] * mm[2];
        finding.because = text;
        finding
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        verdict in verdicts(),
        findings in proptest::collection::vec(findings(), 0..5),
        texts in proptest::array::uniform4(".*"),
        numbers in (any::<u32>(), any::<bool>(), any::<Option<u64>>()),
        nanoseconds in (0..20_000_000_000u64, 0..2_000_000_000_000_000_000i64),
    ) {
        let mut written = record(verdict, findings);
        let [id, station, note, origin] = texts;
        (written.id, written.station) = (id, station);
        (written.views[0].note, written.views[0].origin) = (note, Some(origin));
        (written.trigger.sequence, written.late, written.views[0].camera_frame) = numbers;
        written.timings.total = Duration::from_nanos(nanoseconds.0);
        written.decided_at_utc = Timestamp::from_nanosecond(nanoseconds.1.into()).unwrap();
        let form = RecordForm::from_record(&written, "ef");
        let text = form.to_json().unwrap();
        let read = RecordForm::parse(&text).unwrap();
        prop_assert_eq!(&read, &form);
        prop_assert_eq!(read.to_json().unwrap(), text);
        prop_assert_eq!(read.verdict().unwrap(), verdict);
    }
}

#[test]
fn a_part_that_was_read_comes_back_and_none_leaves_no_trace() {
    let mut record = record(Verdict::Ok, Vec::new());
    assert!(!json(&record).unwrap().contains("part_id_read"));
    record.part_read = Some(Name::new("Träger 4712").unwrap());
    let text = json(&record).unwrap();
    let both = r#""part_id":"Träger 4711","part_id_read":"Träger 4712","part_type""#;
    assert!(text.contains(both), "{text}");
    let form = RecordForm::parse(&text).unwrap();
    assert_eq!(form.part_id_read.as_deref(), Some("Träger 4712"));
    let refused = RecordForm::parse(&text.replace("Träger 4712", " ")).unwrap_err();
    assert!(matches!(refused, FormError::Parse(_)), "{refused}");
}

#[test]
fn a_stated_uncertainty_comes_back_and_none_leaves_no_trace() {
    let mut one = finding(Grade::Reject, 12.4, 3);
    let without = serde_json::to_string(&FindingForm::from(&one)).unwrap();
    assert!(!without.contains("uncertainty"), "{without}");
    one.length_uncertainty_mm = Some(0.081_649);
    let form = FindingForm::from(&one);
    let text = serde_json::to_string(&form).unwrap();
    assert!(
        text.contains("\"length_mm\":12.4,\"length_uncertainty_mm\":0.082,"),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<FindingForm>(&text).unwrap(), form);
}
