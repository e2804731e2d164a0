//! What a model package brings, and a backbone's manifest.
#![no_main]

use std::sync::LazyLock;

#[expect(dead_code, reason = "shared with tests/hostile.rs")]
#[path = "../../tests/hostile/bounds.rs"]
mod bounds;
#[expect(dead_code, reason = "shared with tests/hostile.rs")]
#[path = "../../tests/hostile/checks.rs"]
mod checks;

static FOLDER: LazyLock<checks::Models> =
    LazyLock::new(|| checks::Models::new().expect("a folder to work in"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    FOLDER.check(bytes);
});
