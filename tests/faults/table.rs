//! The table of all faults, at length.

use std::fmt::Write as _;
use std::time::Instant;

use crate::ALL;
use crate::account::Row;
use crate::bench::Scale;

#[test]
#[ignore = "takes twenty minutes: `make faults`"]
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

const HEAD: &str = "\
# The fault bench

What a running station was put through by `make faults`, against a real mosquitto, through a proxy that cuts, delays and stalls,
with mosquitto's own clients as line controller and subscriber (`tests/faults/`). This page is what that command wrote.

*Right*: exactly one answer, the right one, within the deadline counted from the sending of the trigger, and recorded as it was said.
*Late*: the right answer when the line's own timer had rejected the part; only where a network that stalls had its trigger or verdict in
it. *Silent*: no answer, so that the line's own timer rejects the part; at most the parts that the fault cut off. *Slowest*: from sending
to the answer, of those in time. *Lost*: records of the station's store that the subscriber never got. *Repeated*: deliveries of a record
that it had already; it drops them by the record's id. A row that is not right stops the bench: none of these figures was let pass.

| fault | what has to happen | injected | triggers | right | late | silent | at most | slowest, ms | records | lost | repeated |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

fn table(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        let (fault, correct) = (row.fault, row.correct);
        if let Some(why) = row.skipped {
            writeln!(
                text,
                "| {fault} | {correct}: **skipped: {why}** |{}",
                " |".repeat(10)
            )
            .unwrap();
            continue;
        }
        write!(text, "| {fault} | {correct} | {} |", row.injected).unwrap();
        let slowest_ms = usize::try_from(row.slowest.as_millis()).unwrap();
        for figure in [
            row.triggers,
            row.right,
            row.late,
            row.silent,
            row.silent_max,
            slowest_ms,
            row.records,
            row.lost,
            row.repeated,
        ] {
            write!(text, " {figure} |").unwrap();
        }
        text.push('\n');
    }
    text
}
