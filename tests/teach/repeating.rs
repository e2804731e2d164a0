//! The same pictures teach the same package; a run that was killed goes on where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::workshop::{Workshop, teach_args};

/// All files of a package but the report.
fn files(package: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [package.to_owned(), package.join("golden")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(package).unwrap().display().to_string();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn the_same_pictures_teach_the_same_package_on_any_number_of_threads() {
    let shop = Workshop::new();
    shop.good_parts(13);
    let mut packages = Vec::new();
    for (out, threads) in [("one", "1"), ("two", "2"), ("five", "5")] {
        let said = shop.teach(&["--out", out, "--threads", threads, "--cache", out]);
        assert_eq!(said.code, Some(0), "{said}");
        packages.push(files(&shop.path(out).join("bracket/1.0.0")));
    }
    assert!(packages[0].len() >= 12, "{:?}", packages[0].keys());
    for (name, bytes) in &packages[0] {
        for other in &packages[1..] {
            assert!(other.get(name) == Some(bytes), "`{name}` differs");
        }
    }
    assert_eq!(packages[0].len(), packages[1].len());
}

#[test]
fn a_run_that_was_killed_goes_on_where_it_was() {
    let shop = Workshop::new();
    shop.good_parts(24);
    // A larger input, so that there is time to kill it.
    let args = teach_args(&[
        "--size",
        "384x384",
        "--threads",
        "1",
        "--json",
        "--cache",
        "cache",
    ]);
    let mut command = shop.command(&args);
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let n_kept = loop {
        let kept = fs::read_dir(shop.path("cache")).map_or(0, |folder| {
            folder
                .filter(|e| {
                    e.as_ref()
                        .unwrap()
                        .path()
                        .extension()
                        .is_some_and(|end| end == "rows")
                })
                .count()
        });
        if 3 <= kept {
            break kept;
        }
        assert!(
            run.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        std::thread::yield_now();
    };
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!shop.path("models/bracket").exists(), "half a package");
    let said = shop.taktgate(&args);
    assert_eq!(said.code, Some(0), "{said}");
    let from_cache = said.json()["features_from_cache"].as_u64().unwrap();
    assert!(
        n_kept as u64 <= from_cache && from_cache < 24,
        "{n_kept} kept, {from_cache} used"
    );

    // And it comes to what a run without a break comes to.
    let fresh: Vec<&str> = args
        .iter()
        .map(|arg| if *arg == "cache" { "fresh" } else { arg })
        .collect();
    let fresh = [&fresh[..], &["--out", "fresh-models"]].concat();
    assert_eq!(shop.taktgate(&fresh).code, Some(0));
    let resumed = files(&shop.path("models/bracket/1.0.0"));
    assert!(resumed == files(&shop.path("fresh-models/bracket/1.0.0")));
}

#[test]
fn a_broken_file_of_the_cache_is_said_and_computed_again() {
    let shop = Workshop::new();
    shop.good_parts(12);
    let first = shop.teach(&["--json"]);
    assert_eq!(first.json()["features_from_cache"], 0, "{first}");
    let cache = shop.path("out/teach-cache");
    let mut kept: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    kept.sort();
    assert_eq!(kept.len(), 12);
    let mut bytes = fs::read(&kept[0]).unwrap();
    bytes[1000] ^= 64;
    fs::write(&kept[0], &bytes).unwrap();
    fs::write(&kept[1], &bytes[..500]).unwrap();
    let before = files(&shop.path("models/bracket/1.0.0"));
    let second = shop.teach(&["--force", "--json"]);
    assert_eq!(second.json()["features_from_cache"], 10, "{second}");
    let n_said = second
        .stderr
        .matches("was cut off or changed: computed again")
        .count();
    assert_eq!(n_said, 2, "{second}");
    assert!(before == files(&shop.path("models/bracket/1.0.0")));
}

#[test]
fn a_package_is_replaced_only_when_asked() {
    let shop = Workshop::new();
    shop.good_parts(12);
    assert_eq!(shop.teach(&[]).code, Some(0));
    let refused = shop.teach(&[]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("is there already"), "{refused}");
    assert!(refused.stderr.contains("`--force`"), "{refused}");
    let next = shop.teach(&["--version", "1.0.1", "--recipe"]);
    assert_eq!(next.code, Some(0), "{next}");
    assert!(
        next.stdout
            .starts_with("schema = 1\npart_type = \"bracket\""),
        "{next}"
    );
}
