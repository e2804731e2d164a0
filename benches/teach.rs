//! What teaching costs and what a bank costs at the station, by the size of the bank: choosing its
//! rows, and a run of the graph that judges. Rows come from the stamping sample.
#![expect(clippy::expect_used, reason = "a bench ends where it cannot go on")]

use std::path::Path;

use divan::{Bencher, black_box};
use ndarray::{Array1, Array2, Axis, concatenate};
use taktgate::domain::RectPx;
use taktgate::model::{Backbone, FeatureNet, Lesson, MapNet, Runtime, SessionOptions};
use taktgate::source::read_frame;
use taktgate::teach::{greedy_k_centre, project};
use taktgate::vision::{Interpolation, Optics, Preparer, Resize};

const BACKBONE: &str = "models/backbones/efficientnet-lite0/1.0.0";
const FRAMES: [&str; 3] = ["01", "03", "05"];
const BANKS: [usize; 4] = [500, 1000, 2000, 4000];
const SIDE_PX: u32 = 384;
/// Numbers of a whitened row.
const DIMENSIONS: usize = 128;

fn main() {
    taktgate::vision::init(1).expect("OpenCV settles");
    divan::main();
}

/// A loaded backbone, a picture of the sample at its input, and patch rows of several.
struct Bench {
    backbone: Backbone,
    runtime: Runtime,
    tensor: Vec<f32>,
    rows: Array2<f32>,
}

impl Bench {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let backbone = Backbone::open(&root.join(BACKBONE)).expect("the backbone is there");
        let runtime = Runtime::load(None).expect("ONNX Runtime is there");
        let input = backbone.input(SIDE_PX, SIDE_PX, Resize::Standard, Interpolation::Area);
        let net = FeatureNet::load(&backbone, &runtime, &SessionOptions::default());
        let net = net.expect("the backbone loads");
        let mut tensor = vec![0.0; input.tensor_length()];
        let mut parts = Vec::new();
        for name in FRAMES {
            let path = root.join(format!("samples/stamping/frames/{name}.jpg"));
            let frame = read_frame("bench", &path).expect("the sample is there");
            // Twelve squares of a frame, so that there are as many rows as 36 parts have.
            for square in 0..12_u32 {
                let region = RectPx {
                    x: f64::from(square % 4) * 256.0,
                    y: f64::from(square / 4) * 256.0,
                    width: 256.0,
                    height: 256.0,
                };
                let preparer = Preparer::new(frame.size(), region, &[], Optics::default(), &input);
                let prepared = preparer.expect("it fits").prepare(&frame, &mut tensor);
                prepared.expect("it is prepared");
                let side = SIDE_PX as usize;
                parts.push(net.features(&tensor, side, side).expect("it has features"));
            }
        }
        let views: Vec<_> = parts.iter().map(|rows| rows.view()).collect();
        Self {
            rows: concatenate(Axis(0), &views).expect("rows of one length"),
            backbone,
            runtime,
            tensor,
        }
    }
}

/// Choosing the bank among 20,736 rows, on one thread.
#[divan::bench(args = BANKS, sample_count = 3, sample_size = 1)]
fn choose_the_bank(bencher: Bencher<'_, '_>, n_rows: usize) {
    let narrow = project(&Bench::new().rows.view(), 64);
    bencher.bench_local(|| black_box(greedy_k_centre(&narrow.view(), 0, n_rows)));
}

/// One run of the judging graph at 384 x 384 px, on one thread.
#[divan::bench(args = BANKS, sample_count = 20, sample_size = 1)]
fn judge_a_frame(bencher: Bencher<'_, '_>, n_rows: usize) {
    let bench = Bench::new();
    let n_raw = bench.rows.ncols();
    let every = bench.rows.nrows() / n_rows;
    let chosen: Vec<usize> = (0..n_rows).map(|row| row * every).collect();
    let whitening = Array2::from_shape_fn((n_raw, DIMENSIONS), |(row, column)| {
        f32::from(u8::from(row % DIMENSIONS == column))
    });
    let lesson = Lesson {
        mean: Array1::zeros(n_raw),
        bank: bench.rows.select(Axis(0), &chosen).dot(&whitening),
        spread: Array1::ones(n_rows),
        whitening,
        frames: Array2::zeros((40, DIMENSIONS)),
        world: 1.0,
        reference: 1.0,
    };
    let options = SessionOptions::default();
    let net = MapNet::load(&bench.backbone, &lesson, &bench.runtime, &options);
    let net = net.expect("the backbone loads");
    let side = SIDE_PX as usize;
    bencher.bench_local(|| black_box(net.map(&bench.tensor, side, side).expect("it runs")));
}
