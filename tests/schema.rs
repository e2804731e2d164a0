//! The generated documents say what the program does: they are those of this program, messages really
//! sent fit them, bad ones are refused by schema and reader alike, and foreign tools read them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and says what it skips"
)]

#[path = "schema/agreement.rs"]
mod agreement;
#[path = "schema/block.rs"]
mod block;
#[expect(
    dead_code,
    reason = "shared with tests/station.rs, which uses all of it"
)]
#[path = "station/house.rs"]
mod house;
#[path = "schema/live.rs"]
mod live;
#[path = "schema/rules.rs"]
mod rules;
#[path = "schema/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;
use taktgate::publish::documents;

/// The text of a file in `docs/schema`.
pub(crate) fn shipped(file: &str) -> String {
    let path = folder().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema")
}

/// A shipped JSON Schema, and what holds JSON against it.
pub(crate) fn schema(name: &str) -> (Value, Validator) {
    let schema = serde_json::from_str(&shipped(&format!("{name}.schema.json"))).unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    (schema, validator)
}

#[test]
fn the_shipped_documents_are_those_of_this_program() {
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file != "README.md")
        .collect();
    let documents = documents();
    let wanted: BTreeSet<String> = documents.iter().map(|d| d.file.clone()).collect();
    assert_eq!(found, wanted, "in docs/schema");
    for document in documents {
        assert!(
            document.text == shipped(&document.file),
            "docs/schema/{} is not what this program makes; run\n  target/release/taktgate schema --out docs/schema",
            document.file
        );
    }
}

#[test]
fn the_official_parser_reads_the_asyncapi_document() {
    let Some(tools) = tools::tools() else { return };
    let said = tools.parse_asyncapi(&folder().join("asyncapi.json"));
    assert_eq!(said["errors"], serde_json::json!([]), "{said:#}");
    assert_eq!(
        (&said["version"], &said["operations"]),
        (&"3.0.0".into(), &10.into())
    );
    // The parser does look: an operation on a channel that is not there is refused.
    let broken = shipped("asyncapi.json").replace("#/channels/verdict\"", "#/channels/nowhere\"");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asyncapi.json");
    fs::write(&path, broken).unwrap();
    let said = tools.parse_asyncapi(&path);
    assert_ne!(said["errors"], serde_json::json!([]), "{said:#}");
}
