//! The table of all faults, at length.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::ALL;
use crate::account::Row;
use crate::bench::Scale;

/// Most rows wait for a reconnect most of their time.
const AT_ONCE: usize = 3;

#[test]
#[ignore = "takes twenty minutes: `make faults`"]
fn the_table_of_faults() {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut rows = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(fault) = ALL.get(number) else {
                return rows;
            };
            let start = Instant::now();
            let row = fault(Scale::Long);
            let seconds = start.elapsed().as_secs();
            eprintln!(
                "{} of {}, {seconds} s: {}",
                number + 1,
                ALL.len(),
                row.fault
            );
            rows.push((number, row));
        }
    };
    let mut rows: Vec<(usize, Row)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join().unwrap());
        done.flatten().collect()
    });
    rows.sort_by_key(|(number, _)| *number);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
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
