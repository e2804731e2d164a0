//! The whole path against ONNX Runtime's bare session, side by side: pairs that take turns, so that
//! whatever else the machine does falls on both.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use taktgate::domain::StageTimings;
use taktgate::inspect::Inspection;

use super::scene::Scene;

/// Pairs of each kind; everything is warm, for the scene and the stages have run already.
const PAIRS: usize = 60;

/// One picture by the bare session and by the whole path.
struct Pair {
    bare: Duration,
    whole: Duration,
    stages: StageTimings,
}

/// Prints medians and ratios.
pub(crate) fn print(scene: &mut Scene) -> anyhow::Result<()> {
    let (mut memory, mut file) = (Vec::new(), Vec::new());
    for turn in 0..PAIRS {
        memory.push(pair(scene, turn, |scene, index| {
            let frame = scene.frames.get(index).context("no frame")?.clone();
            Ok(scene.inspect(frame, Duration::ZERO))
        })?);
        file.push(pair(scene, turn, Scene::inspect_file)?);
    }
    println!("The whole against ONNX Runtime's bare session on the same tensor, taking turns:");
    println!("medians of {PAIRS} pairs; the ratio is the median of each pair's own");
    for (name, pairs) in [
        ("frame in memory -> verdict", &memory),
        ("file -> verdict", &file),
    ] {
        let [_, whole, _] = quartiles(pairs.iter().map(|pair| ms(pair.whole)));
        let [_, bare, _] = quartiles(pairs.iter().map(|pair| ms(pair.bare)));
        let [low, middle, high] = quartiles(
            pairs
                .iter()
                .map(|pair| pair.whole.as_secs_f64() / pair.bare.as_secs_f64()),
        );
        println!(
            "  {name:26} {whole:7.2} ms, bare {bare:7.2} ms: ratio {middle:.3} (quartiles {low:.3} to {high:.3})"
        );
    }
    let stage = |of: fn(&StageTimings) -> Duration| {
        let [_, median, _] = quartiles(memory.iter().map(|pair| ms(of(&pair.stages))));
        median
    };
    println!(
        "  of the first: fitness {:.2}, prepare {:.2}, infer {:.2}, decode outputs {:.2}, judge {:.2} ms",
        stage(|stages| stages.fitness),
        stage(|stages| stages.prepare),
        stage(|stages| stages.infer),
        stage(|stages| stages.decode),
        stage(|stages| stages.judge)
    );
    Ok(())
}

fn pair(
    scene: &mut Scene,
    turn: usize,
    inspect: impl FnOnce(&mut Scene, usize) -> anyhow::Result<Inspection>,
) -> anyhow::Result<Pair> {
    let index = scene.next();
    // Who goes second finds warmer caches: each does as often.
    let bare_first = turn.is_multiple_of(2);
    let mut bare = Duration::ZERO;
    if bare_first {
        bare = run_bare(scene, index)?;
    }
    let started = Instant::now();
    let inspection = inspect(scene, index)?;
    let whole = started.elapsed();
    if !bare_first {
        bare = run_bare(scene, index)?;
    }
    // A frame that was refused would be quick for no good reason.
    let note = inspection
        .views
        .first()
        .map_or("", |view| view.note.as_str());
    ensure!(
        !inspection.timings.decode.is_zero(),
        "a picture was refused: {note}"
    );
    Ok(Pair {
        bare,
        whole,
        stages: inspection.timings,
    })
}

/// The bare session on the tensor of one picture.
pub(crate) fn run_bare(scene: &mut Scene, index: usize) -> anyhow::Result<Duration> {
    let tensor = scene.tensors.get(index).context("no tensor")?;
    let started = Instant::now();
    std::hint::black_box(scene.bare.run(tensor)?);
    Ok(started.elapsed())
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The lower quartile, the median and the upper quartile.
pub(crate) fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    [n / 4, n / 2, n * 3 / 4].map(|at| sorted.get(at).copied().unwrap_or(f64::NAN))
}
