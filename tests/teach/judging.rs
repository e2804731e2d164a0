//! What a taught package says of parts that it has not seen.

use std::fs;
use std::path::Path;

use crate::workshop::{Workshop, dented, part, real, scratched, surfaces};

/// Verdicts of the pictures in a folder, through a station that `init` made for the package.
fn verdicts(shop: &Workshop, recipe: &str, folder: &str) -> Vec<String> {
    let station = format!("st-{folder}");
    let said = shop.taktgate(&["init", &station, "--model", "models/bracket/1.0.0"]);
    assert_eq!(said.code, Some(0), "{said}");
    fs::write(shop.path(&station).join("recipe.toml"), recipe).unwrap();
    let replay = [
        "replay",
        &station,
        "--images",
        folder,
        "--mm-per-px",
        "0.1",
        "--no-pictures",
    ];
    let said = shop.taktgate(&[&replay[..], &["--json", "--out", "replayed"]].concat());
    assert_eq!(said.code, Some(0), "{said}");
    let lines = fs::read_to_string(shop.path("replayed/verdicts.jsonl")).unwrap();
    let verdict = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["verdict"].as_str().unwrap().to_owned()
    };
    lines.lines().map(verdict).collect()
}

/// Teaches, and counts how many new good parts are not OK and how many bad ones are.
fn check(shop: &Workshop, args: &[&str], n_good_stopped_max: usize, n_bad_passed_max: usize) {
    let said = shop.teach(&[args, &["--recipe"]].concat());
    assert_eq!(said.code, Some(0), "{said}");
    let verified = shop.taktgate(&["model", "verify", "models/bracket/1.0.0"]);
    assert_eq!(verified.code, Some(0), "{verified}");
    let good = verdicts(shop, &said.stdout, "new-good");
    let bad = verdicts(shop, &said.stdout, "new-bad");
    let n_stopped = good.iter().filter(|verdict| *verdict != "ok").count();
    let n_passed = bad.iter().filter(|verdict| *verdict == "ok").count();
    assert!(
        n_stopped <= n_good_stopped_max && n_passed <= n_bad_passed_max,
        "{n_stopped} of {} good parts stopped, {n_passed} of {} bad parts passed\n{}",
        good.len(),
        bad.len(),
        said
    );
}

#[test]
fn drawn_parts_are_judged_and_a_dent_is_found() {
    let shop = Workshop::new();
    shop.good_parts(40);
    for number in 0..20 {
        shop.write(
            &format!("new-good/{number:02}.png"),
            &part(100 + number, (0, 0)),
        );
        shop.write(&format!("new-bad/{number:02}.png"), &dented(200 + number));
    }
    // The wanted review rate is 15 %; 64 places of a small input scatter more than those of a real one.
    check(&shop, &[], 6, 0);
}

#[test]
fn surfaces_cut_from_the_samples_are_judged_and_every_scratch_is_found() {
    let shop = Workshop::new();
    let good = surfaces();
    assert_eq!(good.len(), 72);
    for (number, surface) in good.iter().enumerate() {
        // Seven and the twelve squares of a frame have no common factor: every place is taught.
        if number % 7 == 3 {
            shop.write(&format!("new-good/{number:02}.png"), surface);
            shop.write(&format!("new-bad/{number:02}.png"), &scratched(surface));
        } else {
            shop.write(&format!("good/{number:02}.png"), surface);
        }
    }
    check(&shop, &["--keep-suspicious", "--size", "256x256"], 1, 0);
}

/// Copies every `step`th picture of a folder, `n_max` of them.
fn take(shop: &Workshop, from: &Path, to: &str, (skip, step, n_max): (usize, usize, usize)) {
    let mut pictures = Vec::new();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            pictures.push(path);
        }
    }
    pictures.sort();
    let folder = shop.path(to);
    fs::create_dir_all(&folder).unwrap();
    for picture in pictures.iter().skip(skip).step_by(step).take(n_max) {
        let kind = picture
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy();
        let name = format!("{kind}-{}", picture.file_name().unwrap().to_string_lossy());
        fs::copy(picture, folder.join(name)).unwrap();
    }
}

#[test]
fn real_screws_in_any_pose_are_judged() {
    let Some(set) = real("normal-only-screw") else {
        return;
    };
    let shop = Workshop::new();
    take(&shop, &set.join("train/good"), "good", (0, 6, 50));
    take(&shop, &set.join("test/good"), "new-good", (0, 2, 20));
    for kind in [
        "manipulated_front",
        "scratch_head",
        "scratch_neck",
        "thread_side",
        "thread_top",
    ] {
        take(&shop, &set.join("test").join(kind), "new-bad", (0, 5, 4));
    }
    check(&shop, &["--size", "352x352"], 4, 7);
}
