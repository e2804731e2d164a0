//! Finding a part, undistort, crop, resize and normalise as the gate does them, against OpenCV called by
//! hand in C++ (`by_hand.cpp`) on the same frames, side by side: pairs that take turns.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use taktgate::calibration::{Lens, Placed};
use taktgate::domain::{Frame, Placement, PointMm, PointPx, RectPx, SizePx};
use taktgate::model::Detector;
use taktgate::vision::{InputSpec, Preparer, Registrar};

use super::ratio::{ms, quartiles};
use super::scene::{SHIFT_MAX_MM, Scene};

/// Pairs, and those before them that only warm up.
const PAIRS: usize = 120;
const WARM_UP: usize = 12;
const TURN_MAX_DEG: f64 = 2.0;
/// Both must give nearly the same tensor, in grey levels: by hand a pixel is interpolated twice.
const APART_MAX: f64 = 1.0;

/// How the parts lie: millimetres to the right and down, degrees.
const LIE: [[f64; 3]; 6] = [
    [0.0, 0.0, 0.0],
    [1.3, -0.7, 0.4],
    [-2.1, 2.4, -1.1],
    [3.6, 1.2, 1.8],
    [0.4, -3.9, -1.9],
    [-3.3, -1.8, 0.9],
];

/// What one frame took: finding the part, and the way from there to the tensor. By hand the frame is
/// undistorted before the part is looked for, which counts to the first.
#[derive(Clone, Copy, Default)]
struct Took {
    find: Duration,
    prepare: Duration,
}

impl Took {
    fn whole(self) -> Duration {
        self.find + self.prepare
    }
}

struct Ours {
    registrar: Registrar,
    preparer: Preparer,
    tensor: Vec<f32>,
}

/// The program in C++, told what to do; it ends when its input does.
struct ByHand {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    version: String,
}

/// Prints medians and the fastest per megapixel of the frame, and the ratio.
pub(crate) fn print(scene: &mut Scene) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(program) = compile(folder.path())? else {
        println!("OpenCV by hand: skipped, for there is no g++ (`make setup` installs it)");
        return Ok(());
    };
    let mut ours = Ours {
        registrar: scene.registrar(TURN_MAX_DEG)?,
        preparer: scene.middle_preparer()?,
        tensor: vec![0.0; scene.detector.package().tensor_length()],
    };
    let frames = moved(scene, &ours.registrar)?;
    let job = job(scene, &ours.registrar, &frames, folder.path())?;
    let mut by_hand = ByHand::start(&program, &job)?;
    let scale = f64::from(input(scene).scale_values.first().copied().unwrap_or(1.0));
    let apart = apart(&mut ours, &mut by_hand, &frames, folder.path())?;
    let apart = apart.map(|apart| apart * scale);
    ensure!(
        apart[1] < APART_MAX,
        "both ways give tensors that are {:.2} grey levels apart on the average",
        apart[1]
    );
    let mut pairs = Vec::new();
    for turn in 0..WARM_UP + PAIRS {
        let index = turn % frames.len();
        // Who goes second finds warmer caches: each does as often, with every frame.
        let by_hand_first = (turn / frames.len()).is_multiple_of(2);
        let before = by_hand_first
            .then(|| by_hand.run(index, None))
            .transpose()?;
        let own = ours.run(frames.get(index).context("no frame")?)?;
        let other = before.map_or_else(|| by_hand.run(index, None), Ok)?;
        if WARM_UP <= turn {
            pairs.push((own, other));
        }
    }
    let size = scene.colour.size();
    println!(
        "Find the part, undistort, crop, resize, normalise against OpenCV {} by hand in C++, one thread each, taking turns:",
        by_hand.version
    );
    println!(
        "{PAIRS} pairs on {} frames of {} x {} px; the tensors differ by {:.2} grey levels on the average, {:.2} where most",
        frames.len(),
        size.width_px,
        size.height_px,
        apart[0],
        apart[1]
    );
    tell(
        &pairs,
        f64::from(size.width_px) * f64::from(size.height_px) / 1e6,
    );
    Ok(())
}

fn tell(pairs: &[(Took, Took)], megapixels: f64) {
    // A machine that does something else in between shows in the medians, not in the fastest.
    let side = |name: &str, took: &dyn Fn(&(Took, Took)) -> Took, [first, second]: [&str; 2]| {
        let figures = |of: &dyn Fn(Took) -> Duration| {
            let of_all = || pairs.iter().map(|pair| ms(of(took(pair))) / megapixels);
            let [_, median, _] = quartiles(of_all());
            (median, of_all().fold(f64::INFINITY, f64::min))
        };
        let (whole, fastest) = figures(&Took::whole);
        let (find, fastest_find) = figures(&|took| took.find);
        let (prepare, fastest_prepare) = figures(&|took| took.prepare);
        println!(
            "  {name:8} {whole:6.2} ms a megapixel: {first} {find:.2}, {second} {prepare:.2}; fastest {fastest:.2}: {fastest_find:.2}, {fastest_prepare:.2}"
        );
        fastest
    };
    let own = side("taktgate", &|(own, _)| *own, ["find", "follow and prepare"]);
    let other = side(
        "by hand",
        &|(_, other)| *other,
        ["undistort and find", "warp, resize, normalise"],
    );
    let ratios = pairs
        .iter()
        .map(|(own, other)| own.whole().as_secs_f64() / other.whole().as_secs_f64());
    let [low, middle, high] = quartiles(ratios);
    println!(
        "  ratio {middle:.3} (quartiles {low:.3} to {high:.3}); of the fastest {:.3}",
        own / other
    );
}

/// With the compiler and the folders that the build itself was told of; `None` without a compiler.
fn compile(folder: &Path) -> anyhow::Result<Option<std::path::PathBuf>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/stages/by_hand.cpp");
    let program = folder.join("by_hand");
    let folders = |variable: &str, flag: &str| -> Vec<String> {
        let folders = std::env::var(variable).unwrap_or_default();
        let given = folders.split(',').filter(|path| Path::new(path).exists());
        given.map(|path| format!("{flag}{path}")).collect()
    };
    let mut compiler = Command::new("g++");
    compiler
        .args(["-O2", "-std=c++17", "-o"])
        .args([&program, &source])
        .args(folders("OPENCV_INCLUDE_PATHS", "-I"))
        .args(folders("OPENCV_LINK_PATHS", "-L"))
        .args(["-lopencv_calib3d", "-lopencv_imgproc", "-lopencv_core"]);
    match compiler.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("g++ cannot be run"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "g++ refuses by_hand.cpp: {said}");
            Ok(Some(program))
        }
    }
}

/// The reference part, and the same part lying elsewhere.
fn moved(scene: &Scene, registrar: &Registrar) -> anyhow::Result<Vec<Frame>> {
    let reference = scene.frames.first().context("no frame")?;
    let pivot = registrar.find(reference)?.placement.pivot;
    let frame = |[x, y, turn_deg]: [f64; 3]| {
        let placed = Placed {
            projection: scene.calibration.projection(),
            placement: Placement {
                pivot,
                shift: PointMm { x, y },
                turn_deg,
                score: 1.0,
            },
        };
        let size = reference.size();
        let places = (0..size.height_px).flat_map(|y| (0..size.width_px).map(move |x| (x, y)));
        let pixels = places.map(|(x, y)| {
            let now = PointPx {
                x: x.into(),
                y: y.into(),
            };
            level(reference, placed.home_from_now(now))
        });
        let (size, format) = (reference.size(), reference.format());
        Frame::new("bench", size, format, pixels.collect(), Instant::now())
    };
    LIE.iter().map(|lie| Ok(frame(*lie)?)).collect()
}

/// Between four pixels; beyond the edge its last ones go on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places and levels are clamped to what there is"
)]
fn level(frame: &Frame, at: PointPx) -> u8 {
    let SizePx {
        width_px,
        height_px,
    } = frame.size();
    let x = at.x.clamp(0.0, f64::from(width_px) - 1.001);
    let y = at.y.clamp(0.0, f64::from(height_px) - 1.001);
    let seen = |dx: usize, dy: usize| {
        let index = (y as usize + dy) * width_px as usize + x as usize + dx;
        frame.pixels().get(index).copied().map_or(0.0, f64::from)
    };
    let (right, down) = (x.fract(), y.fract());
    let [upper, lower] = [0, 1].map(|dy| seen(0, dy) * (1.0 - right) + seen(1, dy) * right);
    (upper * (1.0 - down) + lower * down).round() as u8
}

fn input(scene: &Scene) -> &InputSpec {
    &scene.detector.package().manifest().input
}

/// What `by_hand.cpp` reads first, number after number.
fn job(
    scene: &Scene,
    registrar: &Registrar,
    frames: &[Frame],
    folder: &Path,
) -> anyhow::Result<String> {
    let Lens {
        focal_px: [fx, fy],
        center_px,
        distortion: [k1, k2, p1, p2, k3],
    } = scene.calibration.lens.context("no lens")?;
    let (size, region, input) = (scene.colour.size(), scene.middle(), input(scene));
    let first = |values: &[f32], none: f32| values.first().copied().unwrap_or(none);
    let (mean, scale) = (
        first(&input.mean_values, 0.0),
        first(&input.scale_values, 1.0),
    );
    let [[mm_per_px, ..], ..] = scene.calibration.mm_from_px;
    // As far, as coarsely and in as many turns as the registrar looks.
    let (reach_px, shrink, step) = (1.25 * SHIFT_MAX_MM / mm_per_px, 4, 3.0_f64.to_radians());
    let marks: Vec<RectPx> = registrar.marks().collect();
    let mark = marks.first().context("no mark")?;
    ensure!(input.channels == 1, "by_hand.cpp prepares grey inputs");
    ensure!(
        48.0 <= mark.width.min(mark.height),
        "marks are looked for at a quarter of the size"
    );
    let mut text = format!(
        "{} {} {fx} {fy} {} {} {k1} {k2} {p1} {p2} {k3}\n{} {} {} {}\n{} {} {mean} {scale}\n",
        size.width_px,
        size.height_px,
        center_px.x,
        center_px.y,
        region.x,
        region.y,
        region.width,
        region.height,
        input.width_px,
        input.height_px
    );
    writeln!(text, "{reach_px} {shrink} 3 {} 0 {step}", -step)?;
    writeln!(text, "{} {} {}", marks.len(), mark.width, mark.height)?;
    for mark in &marks {
        let center = [
            mark.x + (mark.width - 1.0) / 2.0,
            mark.y + (mark.height - 1.0) / 2.0,
        ];
        writeln!(text, "{} {}", center[0], center[1])?;
    }
    let pixels = folder.join("frames");
    fs::write(
        &pixels,
        frames
            .iter()
            .flat_map(Frame::pixels)
            .copied()
            .collect::<Vec<u8>>(),
    )?;
    writeln!(text, "{} {}", frames.len(), pixels.display())?;
    Ok(text)
}

impl Ours {
    fn run(&mut self, frame: &Frame) -> anyhow::Result<Took> {
        let started = Instant::now();
        let placed = self.registrar.find(frame)?;
        let find = started.elapsed();
        let started = Instant::now();
        self.preparer.follow(placed)?;
        self.preparer.prepare(frame, &mut self.tensor)?;
        let prepare = started.elapsed();
        Ok(Took { find, prepare })
    }
}

impl ByHand {
    fn start(program: &Path, job: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut this = Self {
            ask: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().context("no output")?),
            version: String::new(),
            child,
        };
        let ready = this.ask(job)?;
        let version = ready
            .strip_prefix("ready ")
            .context("by_hand.cpp is not ready")?;
        version.trim_end().clone_into(&mut this.version);
        Ok(this)
    }

    fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        let ask = self.ask.as_mut().context("no input")?;
        ask.write_all(line.as_bytes())?;
        ask.flush()?;
        let mut answer = String::new();
        ensure!(
            0 < self.answers.read_line(&mut answer)?,
            "by_hand.cpp has ended"
        );
        Ok(answer)
    }

    /// One frame; the tensor goes to a file, if one is named.
    fn run(&mut self, index: usize, tensor: Option<&Path>) -> anyhow::Result<Took> {
        let path = tensor.map_or_else(|| "-".to_owned(), |path| path.display().to_string());
        let answer = self.ask(&format!("{index} {path}\n"))?;
        let mut numbers = answer.split_whitespace().map(str::parse);
        let mut took = || -> anyhow::Result<Duration> {
            let us: f64 = numbers.next().context("no time")??;
            Ok(Duration::from_secs_f64(us / 1e6))
        };
        Ok(Took {
            find: took()?,
            prepare: took()?,
        })
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // The end of its input is its end.
        self.ask = None;
        self.child.wait().ok();
    }
}

/// How far the tensors are apart: the mean over all frames, and that of the frame where most.
fn apart(
    ours: &mut Ours,
    by_hand: &mut ByHand,
    frames: &[Frame],
    folder: &Path,
) -> anyhow::Result<[f64; 2]> {
    let path = folder.join("tensor");
    let mut means = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        ours.run(frame)?;
        by_hand.run(index, Some(&path))?;
        let bytes = fs::read(&path)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        ensure!(
            numbers.len() == ours.tensor.len(),
            "tensors of different lengths"
        );
        let pairs = ours.tensor.iter().zip(numbers);
        let apart = pairs.map(|(own, other)| f64::from((own - f32::from_le_bytes(*other)).abs()));
        means.push(apart.sum::<f64>() / numbers.len() as f64);
    }
    let mean = means.iter().sum::<f64>() / means.len() as f64;
    Ok([mean, means.into_iter().fold(0.0, f64::max)])
}
