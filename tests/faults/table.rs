//! The table of all faults, at length.

use std::fmt::Write as _;
use std::time::Instant;

use crate::ALL;
use crate::bench::{Row, Scale};

#[test]
#[ignore = "takes half an hour: `make faults`"]
fn the_table_of_faults() {
    let row = |(number, fault): (usize, &fn(Scale) -> Row)| {
        let start = Instant::now();
        let row = fault(Scale::Long);
        let seconds = start.elapsed().as_secs();
        eprintln!("{number} of {}, {seconds} s: {}", ALL.len(), row.fault);
        row
    };
    let rows: Vec<Row> = (1..).zip(ALL).map(row).collect();
    let text = table(&rows);
    eprint!("{text}");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    std::fs::write(path, text).unwrap();
}

fn table(rows: &[Row]) -> String {
    let mut text = "\
# The fault bench

What a running station was put through by `make faults`, against a real mosquitto, through a proxy that cuts, delays and stalls,
with mosquitto's own clients as line controller and subscriber (`tests/faults/`). This page is what that command wrote.

*Right*: exactly one answer, and the right one. *Silent*: no answer, so that the line's own timer rejects the part; right only where
the fault itself cut the line off. *Lost*: records of the station's store that the subscriber never got. *Repeated*: deliveries of a record
that it had already; it drops them by the record's id. A row that is not right stops the bench: none of these figures was let pass.

| fault | what has to happen | injected | triggers | right | silent | records | lost | repeated |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for row in rows.iter().filter(|row| !row.fault.is_empty()) {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.fault,
            row.correct,
            row.injected,
            row.triggers,
            row.right,
            row.silent,
            row.records,
            row.lost,
            row.repeated
        )
        .unwrap();
    }
    text
}
