//! `taktgate camera`: what the system shows, what cameras are set to, one picture, the live stream.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use taktgate::domain::{Frame, Name, SizePx, Trigger};
use taktgate::source::{
    After, Belongs, CameraSelect, FrameSource, FrameWindow, GenicamSettings, GenicamTrigger, Order,
    genicam_cameras, usb_cameras,
};
use taktgate::station::{CameraConfig, SourceConfig, open_source};
use taktgate::vision::{encode_png, measure, without_password};

use super::print::{note, say, table};
use super::{Outcome, StationArg};

/// How often the live line is said.
const LINE_EVERY: Duration = Duration::from_secs(1);

#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  taktgate camera list
  taktgate camera show st-07
  taktgate camera grab st-07 cam-1 --out frame.png
  taktgate camera stream st-07 cam-1 --seconds 10 --json")]
pub(crate) enum CameraCommand {
    /// The cameras that the system shows: USB, and GigE Vision and USB3 Vision in a build with `genicam`.
    List(ListArgs),
    /// What the cameras of a station are, and whether they open with it.
    Show(ShowArgs),
    /// Takes a picture and writes it.
    Grab(GrabArgs),
    /// Takes pictures until stopped: rate, lost frames, brightness.
    Stream(StreamArgs),
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    station: StationArg,
    /// The camera; all of them without it.
    camera: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct GrabArgs {
    #[command(flatten)]
    station: StationArg,
    /// The camera; may be left out where the station has one.
    camera: Option<String>,
    /// Where the picture goes.
    #[arg(long, default_value = "frame.png")]
    out: PathBuf,
    /// The part's id, for folders that name their pictures after parts.
    #[arg(long, default_value = "grab")]
    part: String,
    /// How long to wait for a frame.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    within_ms: u64,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    station: StationArg,
    /// The camera; may be left out where the station has one.
    camera: Option<String>,
    /// For how long; until Ctrl-C without it.
    #[arg(long)]
    seconds: Option<u64>,
    /// Prints a line of JSON each second.
    #[arg(long)]
    json: bool,
}

pub(crate) fn camera(command: &CameraCommand) -> anyhow::Result<Outcome> {
    match command {
        CameraCommand::List(args) => list(args),
        CameraCommand::Show(args) => show(args),
        CameraCommand::Grab(args) => grab(args),
        CameraCommand::Stream(args) => stream(args),
    }
}

fn list(args: &ListArgs) -> anyhow::Result<Outcome> {
    let mut found = usb_cameras()?;
    found.extend(genicam_cameras());
    if args.json {
        let found = found.iter().map(|camera| {
            json!({"kind": camera.kind, "device": camera.id, "name": camera.name, "place": camera.place})
        });
        say(Value::Array(found.collect()));
        return Ok(Outcome::Good);
    }
    if found.is_empty() {
        note("the system shows no camera");
        return Ok(Outcome::Good);
    }
    let mut table = table(&["kind", "device", "name", "place"]);
    for camera in found {
        table.add_row([camera.kind, &camera.id, &camera.name, &camera.place]);
    }
    say(table);
    Ok(Outcome::Good)
}

fn show(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let station = args.station.read()?;
    let is_it =
        |camera: &&CameraConfig| args.camera.as_ref().is_none_or(|name| *name == camera.name);
    let cameras: Vec<&CameraConfig> = station.cameras.iter().filter(is_it).collect();
    if cameras.is_empty() {
        bail!(no_such(&station.cameras, args.camera.as_deref()));
    }
    let mut all_open = true;
    for camera in cameras {
        let opened = open_source(camera, None).map(drop);
        all_open &= opened.is_ok();
        let fault = opened
            .err()
            .map(|error| format!("{:#}", anyhow::Error::from(error)));
        let (name, what) = (&camera.name, words(&camera.source));
        if args.json {
            say(json!({"camera": name, "source": what, "opens": fault.is_none(), "fault": fault}));
        } else {
            say(format!("{name}: {what}"));
            say(format!(
                "  {}",
                fault
                    .as_deref()
                    .unwrap_or("opens, and has taken these settings")
            ));
        }
    }
    Ok(if all_open {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

/// A source in words, without a password.
fn words(source: &SourceConfig) -> String {
    let px = |size: SizePx| format!("{} x {} px", size.width_px, size.height_px);
    match source {
        SourceConfig::Folder(path, order) => {
            let order = match order {
                Order::Once => "one after the other, once",
                Order::Again => "one after the other, again and again",
                Order::ByPart => "the one that is named like the part",
            };
            format!("pictures in `{}`, {order}", path.display())
        }
        SourceConfig::Video(path) => format!("video file `{}`", path.display()),
        SourceConfig::Stream(url, latency) => format!(
            "stream `{}`, whose pictures are {} ms old",
            without_password(url),
            latency.as_millis()
        ),
        SourceConfig::Watched(path, belongs, after, _) => {
            let belongs = match belongs {
                Belongs::AfterTrigger => "the first that came after the trigger".to_owned(),
                Belongs::InWindow(window) => window_words(*window),
                Belongs::ByPart => "the one that is named like the part".to_owned(),
            };
            let after = match after {
                After::Keep => "kept",
                After::Move => "moved to `done`",
                After::Delete => "deleted",
            };
            format!(
                "watched folder `{}`, {belongs}, then {after}",
                path.display()
            )
        }
        SourceConfig::Generator(size) => format!("drawn frames of {}", px(*size)),
        SourceConfig::Usb(select, format, controls) => {
            let name = match select {
                CameraSelect::Index(index) => index.to_string(),
                CameraSelect::Name(name) => format!("`{name}`"),
            };
            let set = [
                controls
                    .exposure_us
                    .map(|value| format!("exposure {value} us")),
                controls.gain.map(|value| format!("gain {value}")),
                controls
                    .white_balance_k
                    .map(|value| format!("white balance {value} K")),
            ];
            let asked = format!(
                "USB camera {name}, {}, {:?}, {} frames a second",
                px(format.size),
                format.fourcc,
                format.rate_fps
            );
            let set = set.into_iter().flatten();
            [asked]
                .into_iter()
                .chain(set)
                .collect::<Vec<_>>()
                .join(", ")
        }
        SourceConfig::Genicam(settings) => genicam_words(settings),
    }
}

fn genicam_words(settings: &GenicamSettings) -> String {
    let trigger = match &settings.trigger {
        GenicamTrigger::FreeRun => "free run".to_owned(),
        GenicamTrigger::Software => "software trigger".to_owned(),
        GenicamTrigger::Hardware {
            line,
            falling,
            window,
        } => {
            let edge = if *falling { "falling" } else { "rising" };
            format!(
                "hardware trigger on `{line}`, {edge} edge, {}",
                window_words(*window)
            )
        }
    };
    let asked = format!(
        "GenICam camera `{}`, {} x {} px, {:?}, {trigger}",
        settings.device, settings.size.width_px, settings.size.height_px, settings.pixel_format
    );
    let set = [
        settings
            .exposure_us
            .map(|value| format!("exposure {value} us")),
        settings.gain.map(|value| format!("gain {value}")),
    ];
    let set = set.into_iter().flatten();
    [asked]
        .into_iter()
        .chain(set)
        .collect::<Vec<_>>()
        .join(", ")
}

fn window_words(window: FrameWindow) -> String {
    let (before, after) = (window.before.as_millis(), window.after.as_millis());
    format!("a part's frame from {before} ms before to {after} ms after its announcement")
}

/// Brightness and burnt share of the whole frame.
fn light(frame: &Frame) -> anyhow::Result<(f64, f64)> {
    let found = measure(frame, frame.size().whole())?;
    Ok((found.mean, found.burnt_fraction))
}

fn grab(args: &GrabArgs) -> anyhow::Result<Outcome> {
    let mut source = open(&args.station, args.camera.as_deref())?;
    let within = Duration::from_millis(args.within_ms);
    let started = Instant::now();
    let frame = take(source.as_mut(), 1, &args.part, within)?;
    let took_ms = started.elapsed().as_millis();
    let out = args.out.display();
    std::fs::write(&args.out, encode_png(&frame)?)
        .with_context(|| format!("cannot write `{out}`"))?;
    let (mean, burnt) = light(&frame)?;
    let size = frame.size();
    if args.json {
        say(json!({
            "out": args.out, "width_px": size.width_px, "height_px": size.height_px,
            "camera_frame": frame.camera_frame, "exposure_us": frame.exposure_us,
            "took_ms": took_ms, "mean": mean, "burnt_fraction": burnt,
        }));
    } else {
        say(format!(
            "`{out}`: {} x {} px, frame {}, {took_ms} ms, mean {:.0}, {:.1} % burnt out",
            size.width_px,
            size.height_px,
            frame.camera_frame,
            mean,
            burnt * 100.0
        ));
    }
    Ok(Outcome::Good)
}

fn stream(args: &StreamArgs) -> anyhow::Result<Outcome> {
    let mut source = open(&args.station, args.camera.as_deref())?;
    let started = Instant::now();
    let ends_at = args
        .seconds
        .map(|seconds| started + Duration::from_secs(seconds));
    let (mut sequence, mut n_lost, mut n_failed) = (0_u32, 0, 0_u32);
    while ends_at.is_none_or(|ends_at| Instant::now() < ends_at) {
        let line_started = Instant::now();
        let (mut n_frames, mut latest, mut fault) = (0_u32, None, None);
        while line_started.elapsed() < LINE_EVERY {
            sequence = sequence.wrapping_add(1);
            match take(source.as_mut(), sequence, "stream", LINE_EVERY) {
                Ok(frame) => {
                    n_frames += 1;
                    n_lost += frame.frames_lost;
                    latest = Some(frame);
                }
                Err(error) => {
                    n_failed += 1;
                    fault = Some(format!("{error:#}"));
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            }
        }
        let rate_fps = f64::from(n_frames) / line_started.elapsed().as_secs_f64();
        let (mean, burnt) = latest.as_ref().map(light).transpose()?.unwrap_or_default();
        if args.json {
            say(json!({
                "rate_fps": rate_fps, "frames_lost": n_lost, "without_frame": n_failed,
                "camera_frame": latest.as_ref().map(|frame| frame.camera_frame),
                "exposure_us": latest.as_ref().and_then(|frame| frame.exposure_us),
                "mean": mean, "burnt_fraction": burnt, "fault": fault,
            }));
        } else {
            let fault = fault.map_or(String::new(), |fault| format!("; {fault}"));
            say(format!(
                "{rate_fps:6.1} frames/s, {n_lost} lost, {n_failed} without frame, mean {mean:3.0}, {:.1} % burnt out{fault}",
                burnt * 100.0
            ));
        }
    }
    Ok(if n_failed == 0 {
        Outcome::Good
    } else {
        Outcome::Bad
    })
}

pub(super) fn open(
    station: &StationArg,
    name: Option<&str>,
) -> anyhow::Result<Box<dyn FrameSource>> {
    let cameras = station.read()?.cameras;
    let camera = match (name, cameras.as_slice()) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(name), all) => all.iter().find(|camera| camera.name == name),
    };
    let camera = camera.with_context(|| no_such(&cameras, name))?;
    Ok(open_source(camera, None)?)
}

fn no_such(cameras: &[CameraConfig], name: Option<&str>) -> String {
    let has: Vec<&str> = cameras.iter().map(|camera| camera.name.as_str()).collect();
    let what = name.map_or("name one camera".to_owned(), |name| {
        format!("there is no camera `{name}`")
    });
    format!("{what}; the station has {}", has.join(", "))
}

/// A frame as a part that is announced now would get it.
pub(super) fn take(
    source: &mut dyn FrameSource,
    sequence: u32,
    part: &str,
    within: Duration,
) -> anyhow::Result<Frame> {
    let now = Instant::now();
    let trigger = Trigger {
        sequence,
        part: Name::new(part)?,
        part_type: Name::new("any")?,
        lot: None,
        supplier: None,
        arrived_at: now,
        arrived_at_utc: Timestamp::now(),
        deadline: now + within,
    };
    Ok(source.capture(&trigger, now + within)?)
}
