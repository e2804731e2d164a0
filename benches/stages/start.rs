//! The program itself, as `taktgate run` starts it: from start to the first part that it would take, and its memory.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use taktgate::publish::{Connection, Controller, ControllerEvent, SCHEMA, TriggerPayload};

use super::scene::{SCENE, Scene, status_mib};
use super::wire::wait;

const PATIENCE: Duration = Duration::from_secs(30);
/// How often the broker's door is tried.
const KNOCK_EVERY: Duration = Duration::from_millis(2);
/// Parts before the memory is read: the archive and the records have worked by then.
const PARTS: u32 = 24;
const LINES_MAX: usize = 1000;
/// The limits.
const READY_MAX: Duration = Duration::from_secs(2);
const RESIDENT_MAX_MIB: f64 = 300.0;

/// Ends with the bench.
struct Program {
    child: Child,
    log: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Asked first, so that it says goodbye and takes its broker with it.
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        let ended = asked.is_ok_and(|status| status.success()) && self.says_its_last();
        if !ended && let Err(error) = self.child.kill() {
            eprintln!("taktgate {id} does not end: {error}");
        }
        if let Err(error) = self.child.wait() {
            eprintln!("taktgate {id} is lost: {error}");
        }
    }
}

impl Program {
    /// Whether its log has come to an end.
    fn says_its_last(&self) -> bool {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

/// Prints the memory of a loaded inspector, and start and memory of a running station.
pub(crate) fn print(scene: &mut Scene) -> anyhow::Result<()> {
    let resident = &scene.resident;
    println!("\nMemory and start");
    println!(
        "  memory: resident {:.1} MiB after loading one station's model, {:.1} before",
        resident.after_mib, resident.before_mib
    );
    let folder = tempfile::tempdir()?;
    // Free now; if another program takes it before the broker does, the station says so.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port();
    let started = Instant::now();
    let program = start(port, &folder.path().join("data"))?;
    knock(&program, port)?;
    let (sink, events) = sync_channel(LINES_MAX);
    let sink = move |event| sink.try_send(event).is_ok();
    let connection = Connection::plain("127.0.0.1", port, "bench");
    let line = Controller::start(connection, scene.station.topics.clone(), sink)?;
    wait(
        &events,
        |event| matches!(event, ControllerEvent::State(state) if state.state.takes_parts()),
    )?;
    let ready = started.elapsed();
    let id = program.child.id().to_string();
    let at_ready = (status_mib(&id, "VmRSS")?, status_mib(&id, "VmHWM")?);
    judge_parts(scene, &line, &events)?;
    let at_work = (status_mib(&id, "VmRSS")?, status_mib(&id, "VmHWM")?);
    println!(
        "  start to the retained state `continuous_execution`: {:.0} ms (limit {} ms)",
        ready.as_secs_f64() * 1e3,
        READY_MAX.as_millis()
    );
    println!(
        "  station when ready: resident {:.1} MiB, at most {:.1} MiB",
        at_ready.0, at_ready.1
    );
    println!(
        "  station after {PARTS} parts: resident {:.1} MiB, at most {:.1} MiB (limit {RESIDENT_MAX_MIB})",
        at_work.0, at_work.1
    );
    Ok(())
}

fn start(port: u16, data: &Path) -> anyhow::Result<Program> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_taktgate"))
        .arg("run")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCENE))
        .arg("--data")
        .arg(data)
        .args(["--port", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start taktgate")?;
    let text = child.stderr.take().context("no standard error")?;
    let (said, log) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(text).lines().map_while(Result::ok) {
            // More than anybody reads is thrown away, so that the program never waits for us.
            said.try_send(line).ok();
        }
    });
    Ok(Program { child, log })
}

/// Waits until its broker listens.
fn knock(program: &Program, port: u16) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    while Instant::now() < until {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        match program.log.recv_timeout(KNOCK_EVERY) {
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    bail!(
        "taktgate did not become ready; it said:\n{}",
        said.join("\n")
    )
}

fn judge_parts(
    scene: &Scene,
    line: &Controller,
    events: &Receiver<ControllerEvent>,
) -> anyhow::Result<()> {
    for sequence in 1..=PARTS {
        line.send_trigger(&TriggerPayload {
            schema: SCHEMA,
            sequence,
            part_id: format!("P-{sequence}"),
            part_type: scene.inspector.recipe().part_type.to_string(),
            lot: None,
            supplier: None,
            deadline_ms: Some(20_000),
        })?;
        wait(
            events,
            |event| matches!(event, ControllerEvent::Verdict { payload, .. } if payload.sequence == sequence),
        )?;
    }
    Ok(())
}
