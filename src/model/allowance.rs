//! How much memory a graph may ask for: a file of a hundred bytes can ask for all that the machine has.
//!
//! ONNX Runtime has no limit of its own. What a graph asks for shows when it is loaded and in its first run,
//! and for these the address space of the process is limited (`setrlimit`, `RLIMIT_AS`; Linux, and the
//! provider `cpu` only: drivers of accelerators map far more than they use).

use std::sync::{Mutex, PoisonError};

use super::provider::{Provider, SessionOptions};

/// A thread of ONNX Runtime maps its stack and an arena of the allocator, and hardly uses them.
const THREAD_BYTES: u64 = 160 << 20;
/// A file is held several times while it is read and optimised.
const COPIES: u64 = 4;

/// The limit is one for the process.
static ALONE: Mutex<()> = Mutex::new(());

/// What loading a graph and its first run may add to the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    bytes: Option<u64>,
}

impl Allowance {
    /// For a graph of `n_bytes`.
    pub(super) fn new(options: &SessionOptions, n_bytes: usize) -> Self {
        let own = options.memory_max_bytes;
        let threads = THREAD_BYTES.saturating_mul(options.threads as u64);
        let copies = COPIES.saturating_mul(n_bytes as u64);
        let bytes = own.saturating_add(threads).saturating_add(copies);
        Self {
            bytes: (options.provider == Provider::Cpu).then_some(bytes),
        }
    }

    /// Does `work` within this allowance; without one where the system has no such limit.
    pub(super) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let _limit = self.bytes.and_then(Limit::set);
        work()
    }

    /// Whether the words of ONNX Runtime say that it got no memory.
    pub(super) fn is_exceeded(self, error: &ort::Error) -> bool {
        let text = error.to_string();
        self.bytes.is_some() && (text.contains("bad_alloc") || text.contains("allocate memory"))
    }
}

/// A lowered limit, which goes back to what it was.
struct Limit {
    soft: u64,
    hard: u64,
}

impl Limit {
    /// So many bytes more than the process has; none where that is not known or more than it may have anyway.
    fn set(more: u64) -> Option<Self> {
        let (soft, hard) = rlimit::Resource::AS.get().ok()?;
        let wanted = address_space()?.checked_add(more)?;
        let is_lower = wanted < soft;
        (is_lower && rlimit::Resource::AS.set(wanted, hard).is_ok()).then_some(Self { soft, hard })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Err(error) = rlimit::Resource::AS.set(self.soft, self.hard) {
            tracing::error!(%error, "the limit of memory for loading a model stays");
        }
    }
}

/// The bytes that this process has mapped; known on Linux only.
fn address_space() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_for_the_work_and_is_gone_after_it() {
        let before = rlimit::Resource::AS.get().unwrap();
        let options = SessionOptions {
            memory_max_bytes: 1 << 30,
            ..SessionOptions::default()
        };
        let grab = |n_bytes: usize| {
            let mut bytes: Vec<u8> = Vec::new();
            bytes.try_reserve_exact(n_bytes).is_ok()
        };
        let (small, large) =
            Allowance::new(&options, 1000).within(|| (grab(256 << 20), grab(2 << 30)));
        assert!(small && !large);
        assert_eq!(rlimit::Resource::AS.get().unwrap(), before);
        let elsewhere = SessionOptions {
            provider: Provider::Cuda,
            ..options
        };
        assert!(Allowance::new(&elsewhere, 1000).within(|| grab(2 << 30)));
    }
}
