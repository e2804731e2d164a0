//! The foreign readers of `make schema-tools`: the official AsyncAPI parser and a parser of Structured Text.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) struct Tools {
    folder: PathBuf,
}

/// The tools; without them a test skips aloud, or fails where `TAKTGATE_SCHEMA_TOOLS=required`.
pub(crate) fn tools() -> Option<Tools> {
    let folder = root().join(".deps/schema-tools");
    if folder.join("stamp").is_file() {
        return Some(Tools { folder });
    }
    assert!(
        env::var_os("TAKTGATE_SCHEMA_TOOLS").is_none_or(|value| value != "required"),
        "TAKTGATE_SCHEMA_TOOLS=required, but {} is not there; run `make schema-tools`",
        folder.display()
    );
    eprintln!(
        "skipped: the readers of AsyncAPI and Structured Text are not there; run `make schema-tools`"
    );
    None
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Tools {
    /// What the official parser says about a document: `version`, `operations` and `errors`.
    pub(crate) fn parse_asyncapi(&self, document: &Path) -> Value {
        let mut command = Command::new(self.folder.join("bin/node"));
        command
            .arg(root().join("tests/schema/parse_asyncapi.cjs"))
            .arg(document)
            .env("NODE_PATH", self.folder.join("node_modules"));
        answer(command, "")
    }

    /// What the function block of the Structured Text answers to each of the calls.
    pub(crate) fn run_structured_text(&self, text: &Path, calls: &Value) -> Vec<Value> {
        let mut command = Command::new(self.folder.join("bin/python"));
        command
            .arg("-B")
            .arg(root().join("tests/schema/run_st.py"))
            .arg(text);
        serde_json::from_value(answer(command, &calls.to_string())).unwrap()
    }
}

fn answer(mut command: Command, input: &str) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}
