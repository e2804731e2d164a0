//! `taktgate check`: every mistake in a station's files at once, and the test of its models.

use clap::Args;
use jiff::Timestamp;
use taktgate::inspect::with_causes;
use taktgate::station::{StationError, files_of, make_ready, open_source, read_station};

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

pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<Outcome> {
    match checked(args) {
        Ok(rows) if args.json => {
            let rows: Vec<_> = rows
                .iter()
                .map(|(what, text)| format!("{what}: {text}"))
                .collect();
            say(serde_json::json!({"good": true, "checked": rows}));
            Ok(Outcome::Good)
        }
        Ok(rows) => {
            let mut table = table(&[]);
            for (what, text) in rows {
                table.add_row([what, text]);
            }
            say(table);
            say("no mistake found");
            Ok(Outcome::Good)
        }
        Err(error) => {
            if args.json {
                say(serde_json::json!({"good": false, "error": with_causes(&error)}));
            } else {
                failed(&error.into());
            }
            Ok(Outcome::Bad)
        }
    }
}

fn checked(args: &CheckArgs) -> Result<Vec<(String, String)>, StationError> {
    let station = read_station(&args.station.path())?;
    let files = files_of(&station)?;
    let mut rows = vec![("station".to_owned(), station.name.clone())];
    for recipe in files.recipes() {
        let text = format!(
            "revision {}, {} view(s)",
            recipe.revision,
            recipe.views.len()
        );
        rows.push((format!("recipe {}", recipe.part_type), text));
    }
    for calibration in files.calibrations() {
        let text = match calibration.check_date(Timestamp::now()) {
            Ok(()) => format!(
                "valid until {}, {:.2} px rms",
                calibration.valid_until_utc, calibration.reprojection_error_rms_px
            ),
            Err(fault) => fault.to_string(),
        };
        rows.push((format!("calibration {}", calibration.camera), text));
    }
    for (model, report) in make_ready(&station, files)?.reports {
        rows.push((format!("model {model}"), report.to_string()));
    }
    if !args.without_cameras {
        for camera in &station.cameras {
            open_source(camera)?;
            rows.push((format!("camera {}", camera.name), "opens".to_owned()));
        }
    }
    Ok(rows)
}
