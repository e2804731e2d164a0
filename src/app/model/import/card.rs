//! The model card of an imported package.

use std::path::Path;

use taktgate::model::import::{Parity, Recognised};

/// Markdown for people; nothing in it is read again.
pub(super) fn card(file: &Path, recognised: &Recognised, parity: Option<&Parity>) -> String {
    let draft = &recognised.draft;
    let mut lines = vec![
        format!("# {} {}", draft.name, draft.version),
        String::new(),
        format!("{}.", draft.description),
        String::new(),
        format!(
            "Made by `taktgate model import` from `{}`. Trained on: {}.",
            file.file_name().unwrap_or_default().to_string_lossy(),
            draft.trained_on
        ),
        String::new(),
        "| what | value | from |".to_owned(),
        "| --- | --- | --- |".to_owned(),
    ];
    let rows = recognised.rows.iter();
    lines.extend(rows.map(|(key, value, from)| format!("| {key} | {value} | {from} |")));
    lines.push(String::new());
    lines.extend(recognised.notes.iter().map(|note| format!("- {note}")));
    lines.push(match parity {
        None => {
            "**Not proved**: nobody has compared it with the framework that trained it.".to_owned()
        }
        Some(parity) => format!(
            "Parity with the framework that trained it, on {} pictures ({} with findings): largest \
             difference of a score {:.1e}, of a place {:.2} px, verdicts flipped {}.",
            parity.n_pictures,
            parity.n_found,
            parity.score,
            parity.place_px,
            parity.flips.len()
        ),
    });
    lines.join("\n") + "\n"
}
