//! `taktgate evaluate`: its figures against the reference libraries, the sets that it reads, its runs and
//! what it says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]
#![expect(clippy::print_stderr, reason = "a test that skips says so")]

#[path = "evaluate/command.rs"]
mod command;
#[path = "evaluate/data.rs"]
mod data;
#[path = "parity/environment.rs"]
mod environment;
#[path = "evaluate/figures.rs"]
mod figures;
#[expect(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/scene.rs"]
mod scene;
#[path = "evaluate/sets.rs"]
mod sets;
#[path = "evaluate/whole.rs"]
mod whole;

use serde_json::Value;

use scene::Scene;

/// Runs `taktgate evaluate` with `--json` and gives its exit code with what it printed.
fn evaluate(scene: &Scene, args: &[&str]) -> (i32, Value) {
    let all = [&["evaluate"], args, &["--json", "--threads", "1"]].concat();
    let output = scene.command(&all).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let json = serde_json::from_str(&said).unwrap_or_else(|_| panic!("no JSON: {said}{error}"));
    (output.status.code().unwrap(), json)
}

fn near(name: &str, found: &Value, expected: f64, tolerance: f64) {
    let found = found.as_f64().unwrap_or(f64::NAN);
    assert!(
        (found - expected).abs() <= tolerance,
        "{name}: {found} where {expected} is expected"
    );
}
