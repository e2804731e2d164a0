//! `taktgate calibrate`: from pictures to a calibration file, in up to four steps.

mod colour;
mod flat_field;
mod lens;
mod live;
mod plane;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use taktgate::calibration::{Board, Draft, Pattern};
use taktgate::domain::Name;

use super::Outcome;

#[derive(Subcommand)]
#[command(after_help = "\
Pictures come from a folder; `lens` takes them itself with `--station`. Take them with the camera's own settings for
production: focus, aperture, size.
How to take them, what the figures mean: calibration/README.md")]
pub(crate) enum CalibrateCommand {
    /// Fits a lens to pictures of a board, and begins a calibration file.
    Lens(lens::LensArgs),
    /// Adds the plane that parts lie on, with the uncertainty of a length.
    Plane(plane::PlaneArgs),
    /// Adds a flat-field picture from pictures of a grey card.
    FlatField(flat_field::FlatFieldArgs),
    /// Adds a colour correction from pictures of a chart of 24 patches.
    Colour(colour::ColourArgs),
}

pub(crate) fn calibrate(command: &CalibrateCommand) -> anyhow::Result<Outcome> {
    match command {
        CalibrateCommand::Lens(args) => lens::lens(args),
        CalibrateCommand::Plane(args) => plane::plane(args),
        CalibrateCommand::FlatField(args) => flat_field::flat_field(args),
        CalibrateCommand::Colour(args) => colour::colour(args),
    }
}

/// The board of a command.
#[derive(Args)]
struct BoardArgs {
    /// What is printed on the board.
    #[arg(long, value_enum, default_value = "chessboard")]
    board: PatternArg,
    /// Its points: inner corners of a chessboard (one fewer than squares), circles of a grid.
    #[arg(long, value_name = "CxR", value_parser = corners)]
    corners: Option<(u32, u32)>,
    /// The side of a square, measured on the board; of a circle grid the distance of neighbours (asymmetric: half of it).
    #[arg(long, value_name = "MM")]
    square_mm: Option<f64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PatternArg {
    /// Black and white squares.
    Chessboard,
    /// Circles in rows and columns.
    Circles,
    /// Circles, every second row moved by half a step.
    AsymmetricCircles,
}

impl BoardArgs {
    fn board(&self) -> anyhow::Result<Board> {
        let (columns, rows) = self
            .corners
            .context("which board? write `--corners`, for example `--corners 9x6`")?;
        let square_mm = self
            .square_mm
            .context("how large is a square? write `--square-mm`, as measured on the board")?;
        let pattern = match self.board {
            PatternArg::Chessboard => Pattern::Chessboard,
            PatternArg::Circles => Pattern::Circles,
            PatternArg::AsymmetricCircles => Pattern::AsymmetricCircles,
        };
        Ok(Board::new(pattern, columns, rows, square_mm)?)
    }
}

fn corners(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x');
    sides
        .and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)))
        .ok_or_else(|| "write inner corners of a row x rows, for example 9x6".to_owned())
}

/// Now, to the second: a calibration's date needs no more.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Reads the calibration that a step builds on.
fn read_draft(path: &Path) -> anyhow::Result<Draft> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let draft = Draft::parse(path, &text)?;
    check_name(path, &draft.camera)?;
    Ok(draft)
}

/// A calibration is named like its camera: that is how a station finds it, and what keeps two apart.
fn check_name(path: &Path, camera: &str) -> anyhow::Result<()> {
    let named = path
        .file_name()
        .is_some_and(|name| *name == *format!("{camera}.toml"));
    anyhow::ensure!(
        named,
        "`{}` is for camera `{camera}`, so it must be named `{camera}.toml`: a station finds a camera's calibration by its name",
        path.display()
    );
    Name::new(camera)?;
    Ok(())
}

/// Writes the calibration after it was read back: what a station would refuse is not kept.
fn write_draft(path: &Path, draft: &Draft) -> anyhow::Result<()> {
    let text = draft.to_toml();
    Draft::parse(path, &text).context("the result is not usable, so nothing was written")?;
    write_whole(path, text.as_bytes())
}

/// Writes beside the file and puts it in its place: a reader sees the old one or the new one.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
