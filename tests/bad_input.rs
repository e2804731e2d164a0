//! What must never pass: broken pictures, models, records and settings, each with the words that it
//! is refused with.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/model.rs"]
mod model;
#[path = "bad_input/pictures.rs"]
mod pictures;
#[path = "bad_input/records.rs"]
mod records;
#[expect(dead_code, reason = "shared with the tests of the command line")]
#[path = "cli/scene.rs"]
mod scene;
