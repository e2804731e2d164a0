//! Picture files.
#![no_main]

#[expect(dead_code, reason = "shared with tests/hostile.rs")]
#[path = "../../tests/hostile/bounds.rs"]
mod bounds;
#[expect(dead_code, reason = "shared with tests/hostile.rs")]
#[path = "../../tests/hostile/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::pictures(bytes);
});
