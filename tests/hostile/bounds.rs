//! How a parser is held to its word: an answer or an error with words, and no more memory than its
//! input may cost. The counting allocator of the whole binary lives here.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The counter is one for the process, and tests may run as threads of one.
static ALONE: Mutex<()> = Mutex::new(());

/// Keeps all other measured work out, as long as it is kept.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a call may cost at its highest: `per_byte` for each byte of the input, and `at_least`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) per_byte: usize,
    pub(crate) at_least: usize,
}

/// Text into a value: a JSON `Value` is 32 bytes for two bytes of text, and a vector that grows holds
/// three times that for a moment; TOML keeps a table entry for each key as well.
pub(crate) const TEXT: Cost = Cost {
    per_byte: 256,
    at_least: 256 * 1024,
};

/// Runs `parse`, and panics if it costs more than it may.
pub(crate) fn measured<T>(what: &str, cost: Cost, n_bytes: usize, parse: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let value = parse();
    let held = MEMORY.peak_usage().saturating_sub(before);
    let held_max = n_bytes * cost.per_byte + cost.at_least;
    assert!(
        held <= held_max,
        "{what} held {held} bytes for an input of {n_bytes}; {held_max} are allowed"
    );
    value
}

/// Runs `parse` within `cost`; an error must have words, without an empty one in its chain.
pub(crate) fn holds<T, E: Error>(
    what: &str,
    cost: Cost,
    n_bytes: usize,
    parse: impl FnOnce() -> Result<T, E>,
) -> Option<T> {
    let result = measured(what, cost, n_bytes, parse);
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&error);
            while let Some(error) = cause {
                let text = measured(what, cost, n_bytes, || error.to_string());
                assert!(!text.trim().is_empty(), "{what} has no words: {error:?}");
                cause = error.source();
            }
            None
        }
    }
}
