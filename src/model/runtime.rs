//! Finding and loading ONNX Runtime's shared library, once for the whole process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use tracing::info;

use super::provider::Provider;

/// The name of the library's file on this system.
const LIBRARY: &str = if cfg!(windows) {
    "onnxruntime.dll"
} else if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else {
    "libonnxruntime.so"
};
/// Where `make setup` puts the library, below the repository's root.
const SETUP: &str = ".deps/onnxruntime/lib";
/// The variable that ONNX Runtime's other users know.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// ONNX Runtime, loaded; cloning shares it.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(super) environment: Environment,
    path: PathBuf,
    version: String,
    providers: Vec<Provider>,
}

/// The one runtime of the process: ONNX Runtime allows one environment, and it must outlive all sessions.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// Why there is no ONNX Runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No place has a library that loads.
    #[error(
        "found no ONNX Runtime; `make setup` fetches it, or `onnxruntime.library` names its file; looked at:{}",
        list(looked)
    )]
    NotFound {
        /// Each place, with what was there.
        looked: Vec<String>,
    },
    /// The named library does not load.
    #[error("cannot load ONNX Runtime from `{path}`, which {named_by} names; this program needs version 1.{minor_min} or newer", minor_min = ort::MINOR_VERSION)]
    Load {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        named_by: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The library loads and does not start.
    #[error("ONNX Runtime from `{path}` does not start")]
    Start {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ort::Error,
    },
    /// Another library is loaded already.
    #[error(
        "ONNX Runtime is loaded from `{loaded}` and `{asked}` is asked for; a process has one: restart with one setting"
    )]
    Other {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for.
        asked: PathBuf,
    },
}

fn list(looked: &[String]) -> String {
    looked
        .iter()
        .fold(String::new(), |text, place| text + "\n- " + place)
}

impl Runtime {
    /// Loads the library: `library` if it is given, else what `ORT_DYLIB_PATH` names, else the first
    /// that loads beside the executable, in the system's folders, or where `make setup` puts it.
    ///
    /// # Errors
    /// [`RuntimeError`] with every place that was looked at; the program cannot inspect without it.
    pub fn load(library: Option<&Path>) -> Result<Self, RuntimeError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return match library {
                Some(asked) if !same_file(asked, &runtime.path) => Err(RuntimeError::Other {
                    loaded: runtime.path.clone(),
                    asked: asked.to_owned(),
                }),
                Some(_) | None => Ok(runtime.clone()),
            };
        }
        let runtime = find(library)?;
        info!(
            path = %runtime.path.display(),
            version = runtime.version,
            "onnx runtime loaded"
        );
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library's version, for example `1.31.1`; `1.31` where only that is known.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The library's file, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The one environment of the process, for whoever measures against a session without us.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The execution providers that the library was built with; `Cpu` is always among them.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

fn find(library: Option<&Path>) -> Result<Runtime, RuntimeError> {
    if let Some(path) = library {
        return named(path, "`onnxruntime.library`");
    }
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        return named(Path::new(&path), "`ORT_DYLIB_PATH`");
    }
    search(places())
}

/// The first of `places` whose library loads.
fn search(places: Vec<PathBuf>) -> Result<Runtime, RuntimeError> {
    let mut looked = Vec::new();
    for path in places {
        if !path.is_file() {
            looked.push(format!("`{}`: not there", path.display()));
            continue;
        }
        match ort::init_from(&path) {
            Ok(builder) => return start(&path, builder),
            Err(error) => looked.push(format!("`{}`: {error}", path.display())),
        }
    }
    Err(RuntimeError::NotFound { looked })
}

fn named(path: &Path, named_by: &'static str) -> Result<Runtime, RuntimeError> {
    let error = |source: Box<dyn std::error::Error + Send + Sync>| RuntimeError::Load {
        path: path.to_owned(),
        named_by,
        source,
    };
    // An absolute path, for `ort` takes a relative one as beside the executable first.
    let path = path.canonicalize().map_err(|source| error(source.into()))?;
    let builder = ort::init_from(&path).map_err(|source| error(source.into()))?;
    start(&path, builder)
}

fn start(
    path: &Path,
    builder: ort::environment::EnvironmentBuilder,
) -> Result<Runtime, RuntimeError> {
    let error = |source| RuntimeError::Start {
        path: path.to_owned(),
        source,
    };
    let environment = builder
        .with_name("taktgate")
        .with_telemetry(false)
        .build()
        .map_err(error)?;
    // ONNX Runtime tells some hundred lines about each session otherwise.
    environment.set_log_level(ort::logging::LogLevel::Warning);
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Ok(Runtime {
        version: version(&path),
        providers: Provider::available().map_err(error)?,
        environment,
        path,
    })
}

/// The library tells its minor version; the whole version stands in its file's name on Linux.
fn version(path: &Path) -> String {
    let Some(minor) = ort::util::probe(path) else {
        return "unknown".to_owned();
    };
    let short = format!("1.{minor}");
    path.file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.split_once(".so."))
        .map(|(_, version)| version)
        .filter(|version| version.starts_with(&format!("{short}.")))
        .map_or(short, str::to_owned)
}

/// Where the library may be, best first.
fn places() -> Vec<PathBuf> {
    let executable = std::env::current_exe().and_then(|path| path.canonicalize());
    let beside = executable
        .ok()
        .and_then(|path| path.parent().map(Path::to_owned));
    let current = std::env::current_dir().ok();
    let mut places = Vec::new();
    if let Some(folder) = &beside {
        places.extend([".", "lib", "../lib/taktgate"].map(|below| folder.join(below)));
    }
    places.extend(["/usr/lib/taktgate", "/usr/local/lib"].map(PathBuf::from));
    for start in beside.iter().chain(&current) {
        places.extend(start.ancestors().map(|folder| folder.join(SETUP)));
    }
    let mut files: Vec<PathBuf> = Vec::with_capacity(places.len());
    for place in places {
        let file = place.components().collect::<PathBuf>().join(LIBRARY);
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_without_success_tells_every_place() {
        let folder = tempfile::tempdir().unwrap();
        let garbage = folder.path().join("garbage.so");
        std::fs::write(&garbage, "no library").unwrap();
        let error = search(vec![folder.path().join("absent.so"), garbage.clone()]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("absent.so`: not there"), "{text}");
        assert!(text.contains("garbage.so`: failed to load from"), "{text}");
        assert!(text.contains("`make setup` fetches it"), "{text}");
        let error = named(&garbage, "`onnxruntime.library`").unwrap_err();
        assert!(
            error.to_string().contains("`onnxruntime.library` names"),
            "{error}"
        );
    }

    #[test]
    fn the_search_starts_beside_the_executable_and_climbs_to_the_setup() {
        let places = places();
        let executable = std::env::current_exe().unwrap();
        assert_eq!(places[0], executable.parent().unwrap().join(LIBRARY));
        assert!(places.contains(&Path::new("/usr/lib/taktgate").join(LIBRARY)));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(SETUP);
        assert!(places.contains(&root.join(LIBRARY)), "{places:?}");
    }
}
