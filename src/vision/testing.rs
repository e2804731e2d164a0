//! Real pictures for tests, where they are there.

use std::path::PathBuf;

/// How many pictures of each set are taken.
const PER_SET: usize = 12;

/// Some real JPEGs from `TAKTGATE_DATA`; none, said aloud, where the folder is missing.
pub(super) fn real_jpegs() -> Vec<PathBuf> {
    let root = std::env::var_os("TAKTGATE_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let mut found = Vec::new();
    for set in ["body-boxes", "weld-boxes", "steel-classes", "steel-boxes"] {
        let mut paths: Vec<_> = walk(root.join(set), 0);
        paths.retain(|path| path.extension().is_some_and(|end| end == "jpg"));
        paths.sort();
        found.extend(paths.into_iter().take(PER_SET));
    }
    if found.is_empty() {
        let mut stderr = std::io::stderr();
        std::io::Write::write_all(
            &mut stderr,
            format!("skipped: no real pictures in `{}`\n", root.display()).as_bytes(),
        )
        .unwrap();
    }
    found
}

fn walk(folder: PathBuf, depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() && depth < 3 => walk(path, depth + 1),
            path => vec![path],
        })
        .collect()
}
