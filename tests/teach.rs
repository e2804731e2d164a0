//! `taktgate teach` as a user runs it: the package judges, comes out the same each time, goes on
//! after a kill, and is not fooled by what lies among the good parts.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "what a test skips is said aloud")]
#![expect(clippy::panic, reason = "a test may panic")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "drawn pictures have levels from 0 to 255"
)]

#[path = "teach/fooled.rs"]
mod fooled;
#[path = "teach/judging.rs"]
mod judging;
#[path = "teach/repeating.rs"]
mod repeating;
#[path = "teach/workshop.rs"]
mod workshop;
