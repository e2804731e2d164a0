//! The real pictures of `TAKTGATE_DATA` through the shipped packages; skipped aloud where they are not.

use std::path::PathBuf;

use serde_json::json;

use crate::evaluate;
use crate::scene::{ROOT, Scene};

fn data(name: &str) -> Option<String> {
    let beside = || PathBuf::from(ROOT).join("../shared/data");
    let root = std::env::var_os("TAKTGATE_DATA").map_or_else(beside, PathBuf::from);
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder.display().to_string());
    }
    eprintln!("skipped: no `{}` (TAKTGATE_DATA)", folder.display());
    None
}

fn package(name: &str) -> String {
    format!("{ROOT}/models/{name}/0.2.0")
}

#[test]
fn each_real_set_is_read_as_its_readme_says() {
    for (name, format, n, good) in [
        ("steel-classes", "csv", 261, 0),
        ("steel-masks", "csv", 163, 0),
        ("steel-boxes", "coco", 347, 0),
        ("weld-boxes", "coco", 171, 83),
        ("body-boxes", "coco", 76, 1),
        ("normal-only-screw", "mvtec", 160, 41),
        ("normal-only-commutator", "mvtec", 112, 60),
    ] {
        let Some(path) = data(name) else {
            continue;
        };
        let query = taktgate::evaluate::SetQuery {
            path: path.into(),
            good: vec!["good_weld".to_owned()],
            ..Default::default()
        };
        let set = taktgate::evaluate::read_set(&query).unwrap();
        assert_eq!(set.format.word(), format, "{name}");
        assert_eq!(set.left_out, [], "{name}");
        assert_eq!(set.counts(), (good, n - good), "{name}");
        let has_masks = ["steel-masks", "normal-only-screw", "normal-only-commutator"];
        let unknown = taktgate::evaluate::TrueMask::Unknown;
        let all = set.pictures.iter().all(|one| one.truth.mask != unknown);
        assert_eq!(all, has_masks.contains(&name), "{name}");
    }
}

#[test]
fn a_package_for_renders_knows_nothing_of_real_welds() {
    let Some(path) = data("weld-boxes") else {
        return;
    };
    let scene = Scene::new();
    let package = package("welding-seam");
    let (exit, found) = evaluate(
        &scene,
        &[&package, &path, "--good", "good_weld", "--limit", "40"],
    );
    assert_eq!(exit, 0);
    let auroc = found["figures"]["image_auroc"].as_f64().unwrap();
    assert!(
        (0.2..0.8).contains(&auroc),
        "no better than chance, but {auroc}"
    );
    assert_eq!(found["pictures"], 40);
    // No class in common, so no boxes are compared.
    assert_eq!(found["details"]["boxes"], json!(null));
}
