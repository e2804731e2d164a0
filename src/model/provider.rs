//! What computes a model: execution providers and the options of a session.

use std::fmt;
use std::str::FromStr;

use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::runtime::Runtime;

/// What computes a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// The processor: always there.
    Cpu,
    /// NVIDIA CUDA.
    Cuda,
    /// NVIDIA TensorRT.
    TensorRt,
    /// Intel OpenVINO.
    OpenVino,
    /// Microsoft DirectML.
    DirectMl,
    /// Huawei CANN (Ascend).
    Cann,
    /// Apple Core ML.
    CoreMl,
    /// AMD `ROCm`.
    Rocm,
    /// AMD `MIGraphX`.
    MiGraphX,
    /// XNNPACK on ARM processors.
    Xnnpack,
}

/// A word that names no provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no execution provider; write one of {}", words(&Provider::ALL))]
pub struct ProviderNameError {
    /// The word.
    pub word: String,
}

/// The words of `providers`, for a message.
pub(super) fn words(providers: &[Provider]) -> String {
    let words: Vec<_> = providers.iter().map(|provider| provider.word()).collect();
    words.join(", ")
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 10] = [
        Self::Cpu,
        Self::Cuda,
        Self::TensorRt,
        Self::OpenVino,
        Self::DirectMl,
        Self::Cann,
        Self::CoreMl,
        Self::Rocm,
        Self::MiGraphX,
        Self::Xnnpack,
    ];

    /// The word in configurations and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::DirectMl => "directml",
            Self::Cann => "cann",
            Self::CoreMl => "coreml",
            Self::Rocm => "rocm",
            Self::MiGraphX => "migraphx",
            Self::Xnnpack => "xnnpack",
        }
    }

    /// Those that the loaded library was built with.
    pub(super) fn available() -> ort::Result<Vec<Self>> {
        let mut available = Vec::new();
        for provider in Self::ALL {
            if provider.is_available()? {
                available.push(provider);
            }
        }
        Ok(available)
    }

    fn is_available(self) -> ort::Result<bool> {
        match self {
            Self::Cpu => ep::CPU::is_available(),
            Self::Cuda => ep::CUDA::is_available(),
            Self::TensorRt => ep::TensorRT::is_available(),
            Self::OpenVino => ep::OpenVINO::is_available(),
            Self::DirectMl => ep::DirectML::is_available(),
            Self::Cann => ep::CANN::is_available(),
            Self::CoreMl => ep::CoreML::is_available(),
            Self::Rocm => ep::ROCm::is_available(),
            Self::MiGraphX => ep::MIGraphX::is_available(),
            Self::Xnnpack => ep::XNNPACK::is_available(),
        }
    }

    fn dispatch(self) -> ExecutionProviderDispatch {
        match self {
            // Without the arena each run would ask the system for memory.
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::TensorRt => ep::TensorRT::default().build(),
            Self::OpenVino => ep::OpenVINO::default().build(),
            Self::DirectMl => ep::DirectML::default().build(),
            Self::Cann => ep::CANN::default().build(),
            Self::CoreMl => ep::CoreML::default().build(),
            Self::Rocm => ep::ROCm::default().build(),
            Self::MiGraphX => ep::MIGraphX::default().build(),
            Self::Xnnpack => ep::XNNPACK::default().build(),
        }
        .error_on_failure()
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Provider {
    type Err = ProviderNameError;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.word() == word)
            .ok_or_else(|| ProviderNameError {
                word: word.escape_debug().to_string(),
            })
    }
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// Threads within one run; at least 1.
    pub threads: usize,
    /// Whether waiting threads spin: about a millisecond less for several times the processor time.
    pub spinning: bool,
    /// What computes it.
    pub provider: Provider,
    /// What a graph may ask for when it is loaded and run for the first time, beside its own file; for the
    /// provider `cpu` on Linux.
    pub memory_max_bytes: u64,
}

impl SessionOptions {
    /// What [`SessionOptions::memory_max_bytes`] is where nothing is said, in MB.
    pub const MEMORY_MB_MAX: u64 = 4_000;
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            spinning: false,
            provider: Provider::Cpu,
            memory_max_bytes: Self::MEMORY_MB_MAX * 1_000_000,
        }
    }
}

/// A session of the graph in `onnx`.
pub(super) fn session(
    runtime: &Runtime,
    options: SessionOptions,
    onnx: &[u8],
) -> ort::Result<Session> {
    builder(runtime, options)?.commit_from_memory(onnx)
}

// Denormals are off: the flag reaches the pool's threads and the thread that loads (measured with
// 1.31.1), so a session must run on the thread that loaded it. The station's inspecting thread and
// `replay` both do.
fn builder(runtime: &Runtime, options: SessionOptions) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(&runtime.environment)?
        .with_log_level(ort::logging::LogLevel::Warning)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(options.threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(options.spinning)?
        .with_inter_op_spinning(false)?
        .with_config_entry("session.set_denormal_as_zero", "1")?
        // DirectML refuses sessions with it; the others gain from it.
        .with_memory_pattern(options.provider != Provider::DirectMl)?;
    Ok(builder.with_execution_providers([options.provider.dispatch()])?)
}
