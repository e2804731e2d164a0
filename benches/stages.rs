//! The one path, stage by stage, on the stamping sample; then the whole of it against ONNX Runtime's
//! bare session, and the program's memory and start. `cargo bench` prints it all; a word after it
//! (`cargo bench -- prepare`) prints the stages that have it in their names, and `by_hand` the comparison
//! with OpenCV called by hand.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench prints what it measured and ends where it cannot go on"
)]

#[path = "stages/answer.rs"]
mod answer;
#[path = "stages/by_hand.rs"]
mod by_hand;
#[path = "stages/ratio.rs"]
mod ratio;
#[path = "stages/scene.rs"]
mod scene;
#[path = "stages/start.rs"]
mod start;
#[path = "stages/wire.rs"]
mod wire;

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::Duration;

use divan::{Bencher, black_box};
use taktgate::domain::PixelFormat;
use taktgate::judge::judge;
use taktgate::model::Detector;
use taktgate::recipe::Step;
use taktgate::record::RecordStore;
use taktgate::vision::{self, DecodeLimits};

use scene::{Scene, new_id};
use wire::Wire;

/// What is prepared: name, the frame's format, steps, and the channels of the net.
type Preparation = (&'static str, PixelFormat, &'static [Step], u32);
const PREPARATIONS: [Preparation; 6] = [
    ("grey", PixelFormat::Gray8, &[], 1),
    ("colour", PixelFormat::Rgb8, &[], 3),
    ("colour to grey net", PixelFormat::Rgb8, &[], 1),
    ("undistort+area", PixelFormat::Gray8, &[Step::Undistort], 1),
    (
        "undistort+one_map",
        PixelFormat::Gray8,
        &[Step::Undistort, Step::OneMap],
        1,
    ),
    (
        "colour undistort+one_map",
        PixelFormat::Rgb8,
        &[Step::Undistort, Step::OneMap],
        3,
    ),
];

thread_local! {
    // A model runs on the thread that loaded it, and divan measures on the main thread.
    static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) };
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    if has("--list") || has("--help") {
        divan::main();
        return ExitCode::SUCCESS;
    }
    // `cargo bench` says `--bench` and nothing more; `cargo test --benches` says nothing.
    let reports: &[Report] = if has("by_hand") {
        &[by_hand::print]
    } else if arguments == ["--bench"] {
        &[ratio::print, by_hand::print, answer::print, start::print]
    } else {
        &[]
    };
    match bench(reports) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the bench cannot go on: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is printed after the stages, unless only some stages are asked for.
type Report = fn(&mut Scene) -> anyhow::Result<()>;

fn bench(reports: &[Report]) -> anyhow::Result<()> {
    let scene = Scene::load()?;
    print_conditions(&scene)?;
    SCENE.set(Some(scene));
    divan::main();
    reports.iter().try_for_each(|report| with_scene(report))
}

fn print_conditions(scene: &Scene) -> anyhow::Result<()> {
    let frame = scene.colour.size();
    let input = &scene.detector.package().manifest().input;
    println!(
        "How often pixels are written between a frame of {} x {} px and the tensor of {} x {}, itself included:",
        frame.width_px, frame.height_px, input.width_px, input.height_px
    );
    for (name, format, steps, channels) in PREPARATIONS {
        let copies = scene.preparer(steps, channels)?.copies(format);
        println!("  {name:25} {copies}");
    }
    let worst = scene.detections.get(scene.worst()).map_or(0, Vec::len);
    println!("Decoding outputs and judging: the picture with the most detections, {worst}.\n");
    Ok(())
}

fn with_scene<T>(work: impl FnOnce(&mut Scene) -> T) -> T {
    SCENE.with_borrow_mut(|scene| work(scene.as_mut().expect("main loads it first")))
}

#[divan::bench(name = "1 decode a JPEG", sample_count = 60, sample_size = 1)]
fn decode_jpeg(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        bencher.bench_local(|| {
            let index = scene.next();
            vision::decode(&scene.files[index], DecodeLimits::default()).expect("a whole picture")
        });
    });
}

#[divan::bench(name = "2 fitness", sample_count = 60, sample_size = 1)]
fn fitness(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        let limits = scene.view.fitness;
        bencher.bench_local(|| {
            let index = scene.next();
            let frame = &scene.frames[index];
            // The picture's hash, by which a frozen camera is known and the record names it, too.
            let fingerprint = vision::fingerprint(frame);
            let fitness = vision::measure(frame, scene.region()).expect("a region in the frame");
            (fingerprint, vision::judge(&fitness, &limits))
        });
    });
}

#[divan::bench(
    name = "3 prepare",
    sample_count = 60,
    sample_size = 1,
    args = PREPARATIONS.map(|(name, ..)| name)
)]
fn prepare(bencher: Bencher<'_, '_>, name: &str) {
    let wanted = |one: &&Preparation| one.0 == name;
    let preparation = PREPARATIONS.iter().find(wanted).expect("one of them");
    let (_, format, steps, channels) = *preparation;
    with_scene(|scene| {
        let mut preparer = scene.preparer(steps, channels).expect("made in main");
        let n_pixels = scene.tensors[0].len();
        let mut tensor = vec![0.0; n_pixels * channels as usize];
        bencher.bench_local(|| {
            let index = scene.next();
            let frame = match format {
                PixelFormat::Gray8 => &scene.frames[index],
                PixelFormat::Bgr8 | PixelFormat::Rgb8 => &scene.colour,
            };
            preparer.prepare(frame, &mut tensor).expect("a frame");
            black_box(&tensor);
        });
    });
}

#[divan::bench(name = "3 find the part", sample_count = 60, sample_size = 1, args = [2.0, 5.0])]
fn find_the_part(bencher: Bencher<'_, '_>, turn_max_deg: f64) {
    with_scene(|scene| {
        let registrar = scene.registrar(turn_max_deg).expect("a part with marks");
        bencher.bench_local(|| {
            registrar
                .find(&scene.frames[0])
                .expect("the reference itself")
        });
    });
}

#[divan::bench(
    name = "3 prepare a part that lies elsewhere",
    sample_count = 60,
    sample_size = 1
)]
fn follow_the_part(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        let registrar = scene.registrar(2.0).expect("a part with marks");
        let placed = registrar
            .find(&scene.frames[0])
            .expect("the reference itself");
        let mut preparer = scene.preparer(&[Step::Undistort], 1).expect("made in main");
        let mut tensor = vec![0.0; scene.tensors[0].len()];
        bencher.bench_local(|| {
            preparer.follow(placed).expect("the part is seen");
            preparer
                .prepare(&scene.frames[0], &mut tensor)
                .expect("a frame");
            black_box(&tensor);
        });
    });
}

#[divan::bench(name = "4 infer", sample_count = 36, sample_size = 1)]
fn infer(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        bencher.bench_local(|| {
            let index = scene.next();
            scene.detector.infer(&scene.tensors[index]).expect("a run")
        });
    });
}

#[divan::bench(name = "4 infer, bare session", sample_count = 36, sample_size = 1)]
fn infer_bare(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        bencher.bench_local(|| {
            let index = scene.next();
            scene.bare.run(&scene.tensors[index]).expect("a run")
        });
    });
}

#[divan::bench(
    name = "4 infer, bare session, spinning",
    sample_count = 36,
    sample_size = 1
)]
fn infer_spinning(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        bencher.bench_local(|| {
            let index = scene.next();
            let tensor = &scene.tensors[index];
            scene.bare.run_spinning(tensor).expect("a run")
        });
    });
}

#[divan::bench(name = "5 decode outputs", sample_count = 60, sample_size = 1)]
fn decode_outputs(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        let output = &scene.outputs[scene.worst()];
        bencher.bench_local(|| {
            let original = |point| scene.preparer.original_from_input(point);
            scene.detector.decode(output, &original).expect("numbers")
        });
    });
}

#[divan::bench(name = "6 measure and judge", sample_count = 60, sample_size = 1)]
fn measure_and_judge(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        let detections = &scene.detections[scene.worst()];
        bencher
            .with_inputs(|| detections.clone())
            .bench_local_values(|detections| {
                let measured = detections
                    .into_iter()
                    .map(|detection| scene.calibration.measure(detection, None))
                    .collect::<Result<_, _>>();
                judge(&scene.view, measured.expect("finite places"))
            });
    });
}

#[divan::bench(name = "7 record, synced", sample_count = 100, sample_size = 1)]
fn record(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = RecordStore::open(&folder.path().join("records.sqlite")).expect("a store");
    let record = with_scene(Scene::record).expect("a record");
    bencher
        .with_inputs(|| {
            let mut record = record.clone();
            record.id = new_id();
            record
        })
        .bench_local_values(|record| store.append(&record).expect("room on the disk"));
}

#[divan::bench(
    name = "8 publish, verdict to line",
    sample_count = 200,
    sample_size = 1
)]
fn publish_verdict(bencher: Bencher<'_, '_>) {
    let wire = RefCell::new(new_wire());
    bencher
        .with_inputs(|| wire.borrow_mut().next_verdict().expect("a payload"))
        .bench_local_values(|(sequence, verdict)| {
            let wire = wire.borrow();
            wire.verdict(sequence, verdict).expect("an answer");
        });
}

#[divan::bench(
    name = "8 publish, record to PUBACK",
    sample_count = 200,
    sample_size = 1
)]
fn publish_record(bencher: Bencher<'_, '_>) {
    let mut wire = new_wire();
    bencher.bench_local(|| wire.record().expect("an acknowledgement"));
}

fn new_wire() -> Wire {
    let record = with_scene(Scene::record).expect("a record");
    Wire::start(record).expect("a mosquitto (`make setup` installs it)")
}

#[divan::bench(
    name = "9 frame in memory -> verdict",
    sample_count = 36,
    sample_size = 1
)]
fn inspect(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        bencher.bench_local(|| {
            let index = scene.next();
            let frame = scene.frames[index].clone();
            scene.inspect(frame, Duration::ZERO)
        });
    });
}

#[divan::bench(name = "9 file -> verdict", sample_count = 36, sample_size = 1)]
fn inspect_file(bencher: Bencher<'_, '_>) {
    with_scene(|scene| {
        bencher.bench_local(|| {
            let index = scene.next();
            scene.inspect_file(index).expect("a picture")
        });
    });
}
