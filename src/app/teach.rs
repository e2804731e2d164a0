//! `taktgate teach`: pictures of good parts in, an anomaly package out, with the recipe to paste.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use taktgate::domain::{Name, RectPx, SizePx};
use taktgate::model::{Backbone, Runtime, WhenThere};
use taktgate::teach::{
    Engine, LABEL, OVERKILL, Progress, REVIEW, Rates, Request, Study, Suspicious, Title,
    fitness_limits, study, write,
};

use super::Outcome;
use super::print::{note, progress, say, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate teach pictures/good --name bracket
  taktgate teach pictures/good --name bracket --bad pictures/bad --region 200,100,640,480 --tiles 2
  taktgate teach pictures/good --name bracket --version 1.1.0 --drop-suspicious --recipe > recipe.toml")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct TeachArgs {
    /// Pictures of good parts, with those in folders below; 40 or more different parts are good.
    #[arg(value_name = "GOOD_DIR")]
    good: PathBuf,
    /// The package's name.
    #[arg(long)]
    name: String,
    /// The package's version.
    #[arg(long, default_value = "1.0.0")]
    version: String,
    /// The folder of the model packages; the new one is written to NAME/VERSION below it.
    #[arg(long, value_name = "DIR", default_value = "models")]
    out: PathBuf,
    /// The frozen network that looks at the pictures.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "models/backbones/efficientnet-lite0/1.0.0"
    )]
    backbone: PathBuf,
    /// Pictures of known-bad parts: they only choose the thresholds.
    #[arg(long, value_name = "DIR")]
    bad: Option<PathBuf>,
    /// The part of the picture to look at, in pixels: left, top, width, height.
    #[arg(long, value_name = "X,Y,W,H", value_parser = region)]
    region: Option<RectPx>,
    /// Looks N times closer in each direction, for defects that are small against the part; N x N times slower.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    tiles: u32,
    /// The model's input, instead of the one worked out from the pictures.
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<SizePx>,
    /// Share of good parts that may be rejected.
    #[arg(long, value_name = "SHARE", default_value_t = OVERKILL, value_parser = share)]
    overkill: f64,
    /// Share of good parts that may be doubtful or rejected.
    #[arg(long, value_name = "SHARE", default_value_t = REVIEW, value_parser = share)]
    review: f64,
    /// Teaches without the pictures that do not look like good parts.
    #[arg(long, conflicts_with = "keep_suspicious")]
    drop_suspicious: bool,
    /// Teaches them too: they were looked at, and they are good.
    #[arg(long)]
    keep_suspicious: bool,
    /// Pictures at a time, each on one thread.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Where computed features are kept, so that a run that was broken off goes on.
    #[arg(long, value_name = "DIR", default_value = "out/teach-cache")]
    cache: PathBuf,
    /// Replaces a package of this name and version.
    #[arg(long)]
    force: bool,
    /// Prints the recipe and nothing else to standard output.
    #[arg(long, conflicts_with = "json")]
    recipe: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// ONNX Runtime's shared library, instead of the one that is found.
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

/// Hardest good parts that are told.
const HARDEST_TOLD: usize = 3;
/// The page with histogram and pictures, in the package's folder or, without a package, beside it.
const REPORT: &str = "report.html";

pub(crate) fn teach(args: &TeachArgs) -> anyhow::Result<Outcome> {
    for (key, name) in [("--name", &args.name), ("--version", &args.version)] {
        Name::new(name).with_context(|| format!("`{key}` is not usable"))?;
        anyhow::ensure!(
            !name.contains(['/', '\\']) && name != "." && name != "..",
            "`{key} {name}` names a folder; write it without slashes"
        );
    }
    anyhow::ensure!(
        args.overkill <= args.review,
        "`--overkill {}` is more than `--review {}`; what is rejected is reviewed as well",
        args.overkill,
        args.review
    );
    let folder = args.out.join(&args.name).join(&args.version);
    anyhow::ensure!(
        args.force || !folder.exists(),
        "`{}` is there already; teach another `--version`, or replace it with `--force`",
        folder.display()
    );
    let engine = Engine {
        backbone: Backbone::open(&args.backbone)?,
        runtime: Runtime::load(args.library.as_deref())?,
        n_threads: args.threads.into(),
    };
    let learnt = with_bar(|progress| study(&request(args), &engine, progress))?;
    let title = Title {
        name: args.name.clone(),
        version: args.version.clone(),
    };
    let page = learnt.page(&title, &engine)?;
    let is_grave = learnt.suspects.iter().any(|suspect| suspect.why.is_grave());
    if args.suspicious() == Suspicious::Stop && is_grave {
        return stop(args, &learnt, &page);
    }
    let when_there = if args.force {
        WhenThere::Replace
    } else {
        WhenThere::Refuse
    };
    let (_, proof) = write(&learnt, &title, &engine, &folder, when_there)?;
    let report = folder.join(REPORT);
    fs::write(&report, page).with_context(|| format!("cannot write `{}`", report.display()))?;
    tell(args, &learnt, &engine, &folder, &proof.to_string());
    Ok(Outcome::Good)
}

impl TeachArgs {
    fn suspicious(&self) -> Suspicious {
        if self.drop_suspicious {
            Suspicious::Drop
        } else if self.keep_suspicious {
            Suspicious::Keep
        } else {
            Suspicious::Stop
        }
    }
}

fn request(args: &TeachArgs) -> Request {
    Request {
        good: args.good.clone(),
        bad: args.bad.clone(),
        region: args.region,
        size: args.size,
        tiles: args.tiles,
        rates: Rates {
            overkill: args.overkill,
            review: args.review,
        },
        suspicious: args.suspicious(),
        cache: args.cache.clone(),
    }
}

/// Runs `work` with a bar for each of its stages.
fn with_bar<T>(work: impl FnOnce(&Progress<'_>) -> T) -> T {
    let bar = progress(0, "");
    let begin = |stage: &'static str, n_steps: usize| {
        bar.reset();
        bar.set_length(n_steps as u64);
        bar.set_message(stage);
    };
    let step = || bar.inc(1);
    let done = work(&Progress {
        begin: &begin,
        step: &step,
    });
    bar.finish_and_clear();
    done
}

/// Says which pictures do not look like good parts, and what to do.
fn stop(args: &TeachArgs, learnt: &Study, page: &str) -> anyhow::Result<Outcome> {
    let folder = args.out.join(&args.name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let report = folder.join(format!("{}-{REPORT}", args.version));
    fs::write(&report, page).with_context(|| format!("cannot write `{}`", report.display()))?;
    if args.json {
        say(json(learnt, None));
    }
    note(format!(
        "{} of {} pictures do not look like good parts, so nothing was taught:",
        learnt.suspects.len(),
        learnt.parts.len()
    ));
    for suspect in &learnt.suspects {
        note(format!(
            "  `{}`: {}",
            suspect.part.path.display(),
            suspect.why
        ));
    }
    note(format!(
        "look at them (`{}` shows the places), then teach again:\n  --drop-suspicious  without them\n  \
         --keep-suspicious  with them, if they are good",
        report.display()
    ));
    Ok(Outcome::Bad)
}

fn tell(args: &TeachArgs, learnt: &Study, engine: &Engine, folder: &Path, proof: &str) {
    for note_of_cache in &learnt.notes {
        note(format!("cache: {note_of_cache}"));
    }
    for repeated in &learnt.doubles {
        let how = if repeated.is_copy {
            "is a copy of"
        } else {
            "shows the same as"
        };
        note(format!(
            "not counted: `{}` {how} `{}`",
            repeated.path.display(),
            repeated.of.display()
        ));
    }
    let done = if args.drop_suspicious {
        "left out"
    } else {
        "taught all the same, so look at it"
    };
    for suspect in &learnt.suspects {
        note(format!(
            "{done}: `{}`: {}",
            suspect.part.path.display(),
            suspect.why
        ));
    }
    for warning in learnt.warnings() {
        note(format!("warning: {warning}"));
    }
    let recipe = recipe(args, learnt);
    if args.json {
        say(json(learnt, Some(folder)));
        return;
    }
    if args.recipe {
        say(recipe.trim_end());
        return;
    }
    let mut facts = table(&[]);
    for (key, value) in learnt.facts(engine) {
        facts.add_row([key.to_owned(), value]);
    }
    facts.add_row(["package".to_owned(), folder.display().to_string()]);
    facts.add_row([
        "report".to_owned(),
        folder.join(REPORT).display().to_string(),
    ]);
    facts.add_row(["proved".to_owned(), proof.to_owned()]);
    say(facts);
    say("the hardest good parts; if one of them is bad, take it away and teach again:");
    for (part, score, [x, y]) in learnt.hardest(HARDEST_TOLD) {
        let path = part.path.display();
        say(format!("  {score:.3} at ({x:.0}, {y:.0}) px of `{path}`"));
    }
    say(format!(
        "\nthe recipe, to paste (`--recipe` prints it alone):\n\n{recipe}"
    ));
    let (folder, name, version) = (folder.display(), &args.name, &args.version);
    say(format!(
        "next:\n  taktgate model verify {folder}\n  taktgate init st-{name} --model {folder}\n  \
         taktgate replay st-{name} --images DIR --mm-per-px 1   # {name}/{version} on other pictures"
    ));
}

/// A whole recipe: one view, the whole part in one zone.
fn recipe(args: &TeachArgs, learnt: &Study) -> String {
    let region = args.region.map(|region| {
        let RectPx {
            x,
            y,
            width,
            height,
        } = region;
        format!("region_px = [{x}, {y}, {width}, {height}]\n")
    });
    let fitness = fitness_limits(&learnt.parts);
    format!(
        "schema = 1\npart_type = \"{name}\"\nrevision = 1\n\n\
         [[views]]\nname = \"top\"\ncamera = \"cam-1\"\nmodel = \"{name}/{version}\"\n{region}prepare = []\n\n\
         # What the taught pictures showed, with room on both sides.\n\
         [views.fitness]\nmean_min = {mean_min:.1}\nmean_max = {mean_max:.1}\n\
         burnt_fraction_max = {burnt:.3}\ncontrast_min = {contrast:.2}\nsharpness_min = {sharpness:.2}\n\
         refuse_duplicate = true\n\n\
         [[views.zones]]\nname = \"all\"\n\n\
         [views.zones.limits.{LABEL}]\nscore_doubtful = {doubtful:.4}\nscore_reject = {reject:.4}\n",
        name = args.name,
        version = args.version,
        region = region.unwrap_or_default(),
        mean_min = fitness.mean_min,
        mean_max = fitness.mean_max,
        burnt = fitness.burnt_fraction_max,
        contrast = fitness.contrast_min,
        sharpness = fitness.sharpness_min,
        doubtful = learnt.score_doubtful(),
        reject = learnt.score_reject()
    )
}

fn json(learnt: &Study, folder: Option<&Path>) -> serde_json::Value {
    let suspects = learnt.suspects.iter().map(|suspect| {
        serde_json::json!({
            "picture": suspect.part.path.display().to_string(),
            "why": suspect.why.to_string(),
        })
    });
    let doubles = learnt.doubles.iter().map(|repeated| {
        serde_json::json!({
            "picture": repeated.path.display().to_string(),
            "of": repeated.of.display().to_string(),
            "is_copy": repeated.is_copy,
        })
    });
    let hardest = learnt.hardest(HARDEST_TOLD).into_iter();
    let hardest = hardest.map(|(part, score, at_px)| {
        serde_json::json!({
            "picture": part.path.display().to_string(),
            "score": score,
            "at_px": at_px,
        })
    });
    serde_json::json!({
        "package": folder.map(|folder| folder.display().to_string()),
        "report": folder.map(|folder| folder.join(REPORT).display().to_string()),
        "n_good": learnt.parts.len(),
        "input_px": [learnt.look.input.width_px, learnt.look.input.height_px],
        "score_doubtful": learnt.score_doubtful(),
        "score_reject": learnt.score_reject(),
        "held_out_scores": learnt.good_scores(),
        "hardest": hardest.collect::<Vec<_>>(),
        "known_bad_scores": learnt.bad_scores(),
        "suspicious": suspects.collect::<Vec<_>>(),
        "not_counted": doubles.collect::<Vec<_>>(),
        "warnings": learnt.warnings(),
        "features_from_cache": learnt.n_cached,
    })
}

fn region(text: &str) -> Result<RectPx, String> {
    let numbers: Option<Vec<f64>> = text
        .split(',')
        .map(|number| {
            number
                .trim()
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
        })
        .collect();
    match numbers.as_deref() {
        Some(&[x, y, width, height]) if 0.0 <= x && 0.0 <= y && 1.0 <= width && 1.0 <= height => {
            Ok(RectPx {
                x,
                y,
                width,
                height,
            })
        }
        _ => {
            Err("write left, top, width, height in pixels, for example 200,100,640,480".to_owned())
        }
    }
}

fn size(text: &str) -> Result<SizePx, String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match sides {
        Some((width_px, height_px))
            if (32..=4096).contains(&width_px) && (32..=4096).contains(&height_px) =>
        {
            Ok(SizePx {
                width_px,
                height_px,
            })
        }
        _ => Err("write width and height in pixels, 32 to 4096, for example 384x384".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0001..=0.5).contains(share))
        .ok_or_else(|| "write a share from 0.0001 to 0.5, for example 0.01".to_owned())
}
