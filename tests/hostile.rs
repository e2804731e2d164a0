//! Input from someone who means harm: any bytes, good samples spoilt, bombs, lying headers. Each
//! parser answers or refuses with words, within a bound of memory that is measured; none panics.
//! The same checks run under a fuzzer: docs/fuzzing.md.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "hostile/bombs.rs"]
mod bombs;
#[path = "hostile/bounds.rs"]
mod bounds;
#[path = "hostile/checks.rs"]
mod checks;
#[path = "hostile/graphs.rs"]
mod graphs;
#[path = "hostile/nesting.rs"]
mod nesting;
#[path = "hostile/properties.rs"]
mod properties;
#[expect(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/scene.rs"]
mod scene;
#[path = "hostile/seeds.rs"]
mod seeds;
#[path = "hostile/spoil.rs"]
mod spoil;
