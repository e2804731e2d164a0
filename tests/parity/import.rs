//! `taktgate model import --golden` and `model verify` on a family's folder.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::exporters::ROOT;

/// What the largest difference of a score may be.
const SCORE_DIFFERENCE_MAX: f64 = 1e-3;

/// The family's model becomes a package that answers as its framework, and proves it again.
pub(crate) fn answers_alike(folder: &Path, options: &[&str]) {
    let home = TempDir::new().unwrap();
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let imported = import(folder, home.path(), options);
    let told = text(&imported);
    assert!(imported.status.success(), "{name} was refused:\n{told}");
    let parity = &report(&imported);
    let number = |key: &str| {
        parity[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{name}: no {key} in {parity}"))
    };
    eprintln!(
        "| {name} | {} | {} of {} | {:.1e} | {:.1e} | {} |",
        exporter(folder),
        parity["pictures_with_findings"],
        parity["pictures"],
        number("largest_score_difference"),
        number("largest_place_difference_px"),
        parity["verdicts_flipped"],
    );
    assert!(
        number("largest_score_difference") < SCORE_DIFFERENCE_MAX,
        "{name}: {told}"
    );
    assert_eq!(parity["verdicts_flipped"], 0, "{name}: {told}");
    assert_eq!(parity["proved_by"], "exporter", "{name}: {told}");
    // Distances that get a scale here only are no final answers of the framework.
    let has_answers = !options.contains(&"--score-range");
    assert_eq!(
        parity["against_answers"], has_answers,
        "{name}: its framework's final answers count too"
    );
    let pictures = fs::read_dir(folder.join("golden/pictures"))
        .unwrap()
        .count();
    assert_eq!(parity["pictures"], pictures, "{name}: every picture counts");
    assert!(
        0.0 < number("pictures_with_findings"),
        "{name}: a model that finds nothing proves nothing"
    );
    let verified = taktgate(&["model", "verify", &package(home.path())]);
    assert!(verified.status.success(), "{name}: {}", text(&verified));
}

/// With these options the import finds a difference, says what mends it, and writes nothing.
pub(crate) fn refused_and_mended_by(folder: &Path, options: &[&str], mend: &str) {
    let home = TempDir::new().unwrap();
    let imported = import(folder, home.path(), options);
    let told = text(&imported);
    assert!(!imported.status.success(), "{options:?} was taken:\n{told}");
    let report = report(&imported);
    assert_ne!(report["refusals"], json!([]), "{options:?}: {told}");
    let alternative = &report["alternative"];
    assert_eq!(alternative["fits"], true, "{options:?}: {told}");
    assert_eq!(alternative["flags"], json!([mend]), "{options:?}: {told}");
    assert!(
        !Path::new(&package(home.path())).exists(),
        "a refused package was written"
    );
}

/// The file cannot be imported like this; the message has each of `words`.
pub(crate) fn refused(folder: &Path, words: &[&str]) {
    let home = TempDir::new().unwrap();
    let imported = import(folder, home.path(), &[]);
    let told = text(&imported);
    assert!(!imported.status.success(), "it was taken:\n{told}");
    for word in words {
        assert!(told.contains(word), "nothing of `{word}` in:\n{told}");
    }
    assert!(
        !Path::new(&package(home.path())).exists(),
        "a refused package was written"
    );
}

/// What `golden.json` says of the framework.
fn exporter(folder: &Path) -> String {
    let told = fs::read_to_string(folder.join("golden/golden.json")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    told["framework"].as_str().unwrap().to_owned()
}

fn package(home: &Path) -> String {
    home.join("tried/1.0.0").to_string_lossy().into_owned()
}

fn import(folder: &Path, home: &Path, options: &[&str]) -> Output {
    let onnx = folder.join("model.onnx").to_string_lossy().into_owned();
    let golden = folder.join("golden").to_string_lossy().into_owned();
    let package = package(home);
    let mut arguments = vec![
        "model", "import", &onnx, "--out", &package, "--golden", &golden, "--json",
    ];
    arguments.extend(options);
    taktgate(&arguments)
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn taktgate(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_taktgate");
    Command::new(binary)
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let (said, failed) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(said),
        String::from_utf8_lossy(failed)
    )
}
