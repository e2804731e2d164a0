//! The command line as people and scripts meet it: status, standard output and standard error of the
//! real binary.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

#[path = "cli/camera.rs"]
mod camera;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/code.rs"]
mod code;
#[path = "code/draw.rs"]
mod code_drawing;
#[path = "cli/live.rs"]
mod live;
#[path = "cli/model.rs"]
mod model;
#[path = "cli/recipe.rs"]
mod recipe;
#[path = "cli/record.rs"]
mod record;
#[path = "cli/replay.rs"]
mod replay;
#[path = "cli/scene.rs"]
mod scene;
#[path = "cli/words.rs"]
mod words;
