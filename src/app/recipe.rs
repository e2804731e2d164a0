//! `taktgate recipe`: what a recipe says, drawn over its reference picture and listed.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use taktgate::domain::{Frame, PointMm, PointPx};
use taktgate::recipe::{Limit, PartCode, PartLimit, Recipe, View, Zone};
use taktgate::source::read_picture;
use taktgate::station::{Files, files_of};
use taktgate::vision::{Picture, Place, PlaceKind, Registrar, draw_places, encode_png};

use super::print::{say, table};
use super::{Outcome, StationArg};

/// Points of each side of an outline: a straight edge on the part is bent in the picture of a lens.
const POINTS_A_SIDE: u32 = 16;

#[derive(Subcommand)]
pub(crate) enum RecipeCommand {
    /// Draws zones, region and marks over the reference picture, and lists the limits.
    #[command(after_help = "\
Examples:
  taktgate recipe show samples/stamping --picture samples/stamping/frames/01.jpg
  taktgate recipe show st-07 --part-type bracket-left --out out/bracket-left
  taktgate recipe show st-07 --json")]
    Show(ShowArgs),
}

#[derive(Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    station: StationArg,
    /// Only the recipe of this part type.
    #[arg(long)]
    part_type: Option<String>,
    /// Only this view.
    #[arg(long)]
    view: Option<String>,
    /// A picture of the camera to draw on, for views without a `reference`.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Where the drawings go, one a view: `<part type>-<view>.png`.
    #[arg(long, value_name = "DIR", default_value = "out/recipe")]
    out: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn recipe(command: &RecipeCommand) -> anyhow::Result<Outcome> {
    match command {
        RecipeCommand::Show(args) => show(args),
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<Outcome> {
    let files = files_of(&args.station.read()?)?;
    let wanted =
        |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|one| one == name);
    let recipes = files.recipes().iter();
    let views: Vec<(&Recipe, &View)> = recipes
        .filter(|recipe| wanted(&args.part_type, recipe.part_type.as_str()))
        .flat_map(|recipe| recipe.views.iter().map(move |view| (recipe, view)))
        .filter(|(_, view)| wanted(&args.view, &view.name))
        .collect();
    if views.is_empty() {
        let there = files.recipes().iter().flat_map(|recipe| {
            let views = recipe.views.iter();
            views.map(|view| format!("`{}` of `{}`", view.name, recipe.part_type))
        });
        let there = there.collect::<Vec<_>>().join(", ");
        bail!("no view fits `--part-type` and `--view`; the station has {there}");
    }
    let mut shown = Vec::new();
    for (recipe, view) in views {
        let drawing = draw(args, &files, (recipe, view))
            .with_context(|| format!("view `{}` of `{}`", view.name, recipe.part_type))?;
        shown.push((recipe, view, drawing));
    }
    if args.json {
        let views: Vec<Value> = shown.iter().map(json_of).collect();
        say(json!({ "views": views }));
    } else {
        for one in &shown {
            print(one);
        }
    }
    Ok(Outcome::Good)
}

/// A view with the file of its drawing, if there was a picture to draw on.
type Shown<'a> = (&'a Recipe, &'a View, Option<PathBuf>);

fn draw(
    args: &ShowArgs,
    files: &Files,
    (recipe, view): (&Recipe, &View),
) -> anyhow::Result<Option<PathBuf>> {
    let given = args.picture.as_deref();
    let given = given
        .map(|path| read_picture(&view.camera, path))
        .transpose()?;
    let Some(picture) = given.as_ref().or_else(|| files.reference(view)) else {
        return Ok(None);
    };
    let places = places(files, (recipe, view), picture)?;
    let frame: Frame = picture.clone().into_frame(&view.camera, Instant::now())?;
    let banner = format!(
        "{} revision {}, view {}",
        recipe.part_type, recipe.revision, view.name
    );
    let drawing = draw_places(&frame, &places, &banner)?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make `{}`", args.out.display()))?;
    let path = args
        .out
        .join(format!("{}-{}.png", recipe.part_type, view.name));
    let png = encode_png(&drawing.into_frame(&view.camera, Instant::now())?)?;
    fs::write(&path, png).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(Some(path))
}

/// What is to be drawn, in pixels of the picture.
fn places(
    files: &Files,
    (recipe, view): (&Recipe, &View),
    picture: &Picture,
) -> anyhow::Result<Vec<Place>> {
    let Some(calibration) = files.calibration(&view.camera) else {
        return Ok(Vec::new());
    };
    calibration.check_size(picture.size)?;
    let projection = calibration.projection();
    let mut places = Vec::new();
    if let Some(region) = view.region {
        places.push(place(
            PlaceKind::Region,
            "region",
            region.corners().to_vec(),
        ));
    }
    if let Some(region) = code_of(recipe, view).and_then(|code| code.region) {
        places.push(place(PlaceKind::Code, "code", region.corners().to_vec()));
    }
    for zone in &view.zones {
        let Some(polygon) = &zone.polygon_mm else {
            continue;
        };
        let outline = along(polygon).map(|point| projection.px_from_mm(point));
        let label = format!("zone {}", zone.name);
        places.push(place(PlaceKind::Zone, &label, outline.collect()));
    }
    if let (Some(fixture), Some(reference)) = (&view.fixture, files.reference(view)) {
        let region = view.region.unwrap_or(reference.size.whole());
        let registrar = Registrar::new(reference, fixture, projection, region)?;
        for (n, mark) in registrar.marks().enumerate() {
            let label = format!("mark {}", n + 1);
            places.push(place(PlaceKind::Mark, &label, mark.corners().to_vec()));
        }
    }
    Ok(places)
}

/// The part's code, if this view shows it.
fn code_of<'r>(recipe: &'r Recipe, view: &View) -> Option<&'r PartCode> {
    let code = recipe.code.as_ref();
    code.filter(|code| code.view == view.name)
}

fn place(kind: PlaceKind, label: &str, outline_px: Vec<PointPx>) -> Place {
    Place {
        kind,
        label: label.to_owned(),
        outline_px,
    }
}

/// Points along all sides of a polygon.
fn along(polygon: &[PointMm]) -> impl Iterator<Item = PointMm> {
    let following = polygon.iter().skip(1).chain(polygon.first());
    polygon.iter().zip(following).flat_map(|(from, to)| {
        (0..POINTS_A_SIDE).map(move |n| {
            let share = f64::from(n) / f64::from(POINTS_A_SIDE);
            PointMm {
                x: from.x + (to.x - from.x) * share,
                y: from.y + (to.y - from.y) * share,
            }
        })
    })
}

fn print((recipe, view, drawing): &Shown<'_>) {
    say(format_args!(
        "{} revision {}, view {}: camera {}, {}",
        recipe.part_type,
        recipe.revision,
        view.name,
        view.camera,
        view.models.join(" and ")
    ));
    if let Some(fixture) = &view.fixture {
        say(format_args!(
            "parts may lie up to {} mm off and be turned by up to {} degrees; marks alike by at least {}",
            fixture.shift_max_mm, fixture.turn_max_deg, fixture.score_min
        ));
    }
    if let Some(code) = code_of(recipe, view) {
        say(told(code));
    }
    let mut limits = table(&[
        "zone",
        "class",
        "doubtful",
        "reject",
        "length mm",
        "area mm²",
        "count",
        "spacing mm",
    ]);
    for zone in &view.zones {
        for (class, limit) in of_zone(zone) {
            limits.add_row(row(&zone.name, class, limit));
        }
    }
    for (class, limit) in &recipe.part_limits {
        limits.add_row(part_row(class, limit));
    }
    say(limits);
    match drawing {
        Some(path) => say(format_args!("drawn: {}", path.display())),
        None => say("not drawn: the view has no `reference`; give a picture with `--picture`"),
    }
}

fn told(code: &PartCode) -> String {
    let place = code.region.map_or_else(
        || "anywhere in the frame".to_owned(),
        |region| {
            format!(
                "in the {} x {} px at ({}, {})",
                region.width, region.height, region.x, region.y
            )
        },
    );
    let field = code.field.as_ref();
    let field = field.map_or_else(String::new, |field| format!(", by its field {field}"));
    format!(
        "a {} {place} {} the part{field}",
        code.kind.name(),
        code.role.word()
    )
}

/// The zone's own limits, and those of its set that no own one replaces.
fn of_zone(zone: &Zone) -> impl Iterator<Item = (&str, &Limit)> {
    let is_own = |class: &String| zone.limits.iter().any(|(own, _)| own == class);
    let shared = zone
        .shared_limits
        .iter()
        .filter(move |(class, _)| !is_own(class));
    let all = zone.limits.iter().chain(shared);
    all.map(|(class, limit)| (class.as_str(), limit))
}

fn or_any(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn row(zone: &str, class: &str, limit: &Limit) -> [String; 8] {
    [
        zone.to_owned(),
        class.to_owned(),
        limit.score_doubtful.to_string(),
        limit.score_reject.to_string(),
        or_any(limit.length_max_mm),
        or_any(limit.area_max_mm2),
        or_any(limit.count_max),
        or_any(limit.spacing_min_mm),
    ]
}

fn part_row(class: &str, limit: &PartLimit) -> [String; 8] {
    [
        "(the whole part)".to_owned(),
        class.to_owned(),
        limit.score_doubtful.to_string(),
        limit.score_reject.to_string(),
        or_any(limit.length_sum_max_mm),
        or_any(limit.area_sum_max_mm2),
        or_any(limit.count_max),
        or_any(None::<f64>),
    ]
}

fn json_of((recipe, view, drawing): &Shown<'_>) -> Value {
    let limits = view.zones.iter().flat_map(|zone| {
        of_zone(zone).map(|(class, limit)| {
            json!({
                "zone": zone.name,
                "class": class,
                "score_doubtful": limit.score_doubtful,
                "score_reject": limit.score_reject,
                "length_max_mm": limit.length_max_mm,
                "area_max_mm2": limit.area_max_mm2,
                "count_max": limit.count_max,
                "spacing_min_mm": limit.spacing_min_mm,
            })
        })
    });
    let part_limits = recipe.part_limits.iter().map(|(class, limit)| {
        json!({
            "class": class,
            "score_doubtful": limit.score_doubtful,
            "score_reject": limit.score_reject,
            "count_max": limit.count_max,
            "length_sum_max_mm": limit.length_sum_max_mm,
            "area_sum_max_mm2": limit.area_sum_max_mm2,
        })
    });
    json!({
        "part_type": recipe.part_type.as_str(),
        "revision": recipe.revision,
        "sha256": recipe.version().sha256,
        "view": view.name,
        "camera": view.camera,
        "models": view.models,
        "code": code_of(recipe, view).map(|code| json!({
            "kind": code.kind.name(),
            "region_px": code.region.map(|it| [it.x, it.y, it.width, it.height]),
            "part": code.role.word(),
            "field": code.field,
        })),
        "limits": limits.collect::<Vec<_>>(),
        "part_limits": part_limits.collect::<Vec<_>>(),
        "drawing": drawing,
    })
}
