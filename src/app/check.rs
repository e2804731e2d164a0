//! `taktgate check`: every mistake in a station's files at once, and the test of its models.

use clap::Args;
use jiff::Timestamp;
use taktgate::calibration::Calibration;
use taktgate::station::{Station, StationError, files_of, make_ready, open_source, read_station};

use super::print::{failed, say, table};
use super::{Outcome, StationArg};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate check samples/welding
  taktgate check /etc/taktgate/st-07 --without-cameras --json")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    station: StationArg,
    /// Does not open the cameras: for checking on another machine.
    #[arg(long)]
    without_cameras: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn check(args: &CheckArgs) -> Outcome {
    let mut checked = Checked::default();
    if let Err(error) = checked.files_and_models(args) {
        checked.mistakes.push(error);
    }
    let is_good = checked.mistakes.is_empty();
    if args.json {
        say(checked.json());
    } else {
        checked.print();
    }
    if is_good { Outcome::Good } else { Outcome::Bad }
}

#[derive(Default)]
struct Checked {
    rows: Vec<(String, String)>,
    mistakes: Vec<anyhow::Error>,
}

impl Checked {
    fn note(&mut self, what: impl Into<String>, text: impl Into<String>) {
        self.rows.push((what.into(), text.into()));
    }

    fn files_and_models(&mut self, args: &CheckArgs) -> anyhow::Result<()> {
        let station = read_station(&args.station.path())?;
        self.note("station", &station.name);
        if !args.without_cameras {
            self.cameras(&station);
        }
        let files = match files_of(&station) {
            Err(StationError::Files { mistakes, .. }) => {
                let mistakes = mistakes.0.into_iter().map(anyhow::Error::msg);
                self.mistakes.extend(mistakes);
                return Ok(());
            }
            other => other?,
        };
        for recipe in files.recipes() {
            let (revision, n_views) = (recipe.revision, recipe.views.len());
            self.note(
                format!("recipe {}", recipe.part_type),
                format!("revision {revision}, {n_views} view(s)"),
            );
        }
        for calibration in files.calibrations() {
            self.calibration(calibration);
        }
        let ready = make_ready(&station, files)?;
        for (model, report) in &ready.reports {
            self.note(format!("model {model}"), report.to_string());
        }
        Ok(ready.check_latency(station.deadlines.deadline)?)
    }

    fn cameras(&mut self, station: &Station) {
        for camera in &station.cameras {
            match open_source(camera, None) {
                Ok(_) => self.note(format!("camera {}", camera.name), "opens"),
                Err(error) => self.mistakes.push(error.into()),
            }
        }
    }

    // Out of date, it would make every part INDETERMINATE.
    fn calibration(&mut self, calibration: &Calibration) {
        match calibration.check_date(Timestamp::now()) {
            Ok(()) => self.note(
                format!("calibration {}", calibration.camera),
                format!(
                    "valid until {}, {:.2} px rms",
                    calibration.valid_until_utc, calibration.reprojection_error_rms_px
                ),
            ),
            Err(fault) => self.mistakes.push(fault.into()),
        }
    }

    fn json(&self) -> serde_json::Value {
        let rows = self.rows.iter();
        let rows: Vec<_> = rows.map(|(what, text)| format!("{what}: {text}")).collect();
        let mistakes = self.mistakes.iter();
        let mistakes: Vec<_> = mistakes.map(|error| format!("{error:#}")).collect();
        serde_json::json!({
            "good": mistakes.is_empty(),
            "checked": rows,
            "mistakes": mistakes,
        })
    }

    fn print(self) {
        if !self.rows.is_empty() {
            let mut table = table(&[]);
            for (what, text) in self.rows {
                table.add_row([what, text]);
            }
            say(table);
        }
        if self.mistakes.is_empty() {
            say("no mistake found");
        }
        for mistake in &self.mistakes {
            failed(mistake);
        }
    }
}
