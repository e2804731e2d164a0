//! Work that is spread over threads and comes back in its own order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` on each of `items`, on `n_threads` threads; the results come in the items' order.
pub(super) fn on_threads<T: Sync, R: Send>(
    n_threads: usize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    with_state(n_threads, items, || Ok::<(), ()>(()), |(), item| work(item)).unwrap_or_default()
}

/// Like [`on_threads`], with something that each thread makes for itself first.
///
/// # Errors
/// What `make` failed with, on whichever thread.
pub(super) fn with_state<T: Sync, S, R: Send, E: Send>(
    n_threads: usize,
    items: &[T],
    make: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let one_thread = || {
        let mut state = make()?;
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return Ok(done);
            };
            done.push((index, work(&mut state, item)));
        }
    };
    let n_threads = n_threads.clamp(1, items.len().max(1));
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(one_thread)).collect();
        let mut results = one_thread()?;
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(results)
    })?;
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        let doubled: Vec<u64> = items.iter().map(|item| item * 2).collect();
        for n_threads in [0, 1, 3, 200] {
            assert_eq!(on_threads(n_threads, &items, |item| item * 2), doubled);
        }
        assert!(on_threads(2, &[] as &[u64], |item| *item).is_empty());
    }

    #[test]
    fn a_thread_that_cannot_begin_ends_it_all() {
        let failed = with_state(2, &[1, 2], || Err::<(), _>("no model"), |(), item| *item);
        assert_eq!(failed, Err("no model"));
    }
}
