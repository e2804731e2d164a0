//! What is fitted, against rendered boards whose lens and lengths are known, and against OpenCV's own samples.

use taktgate::calibration::{
    Board, Chance, LengthParts, LengthUncertainty, Lens, Pattern, Projection,
};
use taktgate::domain::{PointMm, PointPx, SizePx};
use taktgate::source::read_picture;
use taktgate::vision::{
    KnownPoint, LensFit, NoBoard, PlaneFit, Scatter, find_board, fit_lens, fit_plane,
};

use crate::render::{
    Camera, LENS, ON_PLANE, Pose, SIZE, camera, chessboard, plane_board, poses, sees,
};
use crate::samples::{ALL, are_missing, sample};

/// Standard deviation of a rendered picture's levels.
const NOISE: f64 = 2.0;

fn sighting(camera: &Camera, board: &Board, pose: &Pose, seed: u64) -> Vec<PointPx> {
    let picture = camera.picture(board, pose, NOISE, seed);
    find_board(&picture, board).unwrap().unwrap().points
}

fn off(is: f64, should: f64, most: f64, what: &str) {
    assert!((is - should).abs() < most, "{what}: {is}, not {should}");
}

/// Points of a board with their true places on it.
fn known(board: &Board, seen: &[PointPx]) -> Vec<KnownPoint> {
    let points = seen.iter().zip(board.points_mm());
    points.map(|(px, mm)| KnownPoint { px: *px, mm }).collect()
}

/// The distance on the fitted plane of two places of the picture.
fn length_mm(lens: &Lens, plane: &PlaneFit, [a, b]: [PointPx; 2]) -> f64 {
    let on_plane = Projection::new(Some(*lens), plane.mm_from_px);
    let [a, b] = [a, b].map(|point| on_plane.mm_from_px(point));
    (a.x - b.x).hypot(a.y - b.y)
}

/// The ends of lengths all over the picture, as places of the board on the plane.
fn ends(chance: &mut Chance, n: usize) -> Vec<[PointMm; 2]> {
    let mut found = Vec::new();
    while found.len() < n {
        let mut place = || PointMm {
            x: -12.0 + 104.0 * chance.unit(),
            y: -12.0 + 80.0 * chance.unit(),
        };
        let pair = [place(), place()];
        let is_seen = pair.iter().all(|at| {
            let PointPx { x, y } = sees(&LENS, &plane_board(), &ON_PLANE, *at);
            (0.0..=1023.0).contains(&x) && (0.0..=767.0).contains(&y)
        });
        if is_seen && 1.0 < (pair[0].x - pair[1].x).hypot(pair[0].y - pair[1].y) {
            found.push(pair);
        }
    }
    found
}

#[test]
fn a_rendered_lens_is_recovered_and_lengths_on_its_plane_are_right() {
    let (camera, board) = (camera(), chessboard());
    let seen: Vec<_> = poses()
        .iter()
        .zip(0..)
        .map(|(pose, seed)| sighting(&camera, &board, pose, seed))
        .collect();
    let fit = fit_lens(&board, &seen, camera.size).unwrap();
    let (is, should, sd) = (fit.lens.parameters(), LENS.parameters(), fit.sd());
    eprintln!(
        "rms {} px\nfitted {is:?}\ntrue   {should:?}\nsd     {sd:?}",
        fit.rms_px
    );
    let most = [1.2, 1.2, 1.5, 1.5, 0.004, 0.03, 4e-4, 4e-4, 1e-9];
    let names = ["fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3"];
    for (((is, should), most), name) in is.iter().zip(should).zip(most).zip(names) {
        off(*is, should, most, name);
    }
    assert!(fit.rms_px < 0.1, "{}", fit.rms_px);

    let plane_board = plane_board();
    let seen = sighting(&camera, &plane_board, &ON_PLANE, 99);
    let plane = fit_plane(&fit.lens, &known(&plane_board, &seen)).unwrap();
    let at_middle = plane.mm_per_px(&fit.lens, PointPx { x: 511.5, y: 383.5 });
    off(at_middle, 0.1, 0.002, "mm per px");
    let mut worst: f64 = 0.0;
    for ends in ends(&mut Chance::new(7), 500) {
        let truth = (ends[0].x - ends[1].x).hypot(ends[0].y - ends[1].y);
        let places = ends.map(|at| sees(&LENS, &plane_board, &ON_PLANE, at));
        worst = worst.max((length_mm(&fit.lens, &plane, places) - truth).abs());
    }
    eprintln!("the worst of 500 lengths is {worst} mm off");
    assert!(worst < 0.05, "{worst}");
}

#[test]
fn rendered_circle_grids_are_found_where_they_are() {
    let camera = camera();
    for (pattern, columns, rows) in [(Pattern::Circles, 7, 5), (Pattern::AsymmetricCircles, 4, 9)] {
        let board = Board::new(pattern, columns, rows, 8.0).unwrap();
        // Straight on, for the middle of a tilted circle's picture is not the picture of its middle.
        let pose = Pose {
            turn_deg: [0.0, 0.0, 4.0],
            middle_mm: [1.0, -2.0, 130.0],
        };
        let seen = sighting(&camera, &board, &pose, 5);
        let places = board.points_mm();
        let truth: Vec<_> = places
            .iter()
            .map(|at| sees(&LENS, &board, &pose, *at))
            .collect();
        // These grids look the same upside down.
        let worst = |truth: &mut dyn Iterator<Item = &PointPx>| {
            let apart = seen
                .iter()
                .zip(truth)
                .map(|(a, b)| (a.x - b.x).hypot(a.y - b.y));
            apart.fold(0.0, f64::max)
        };
        let worst = f64::min(worst(&mut truth.iter()), worst(&mut truth.iter().rev()));
        eprintln!("{pattern}: {worst} px off at most");
        assert!(worst < 0.3, "{pattern}: {worst}");
    }
}

#[test]
fn pictures_without_the_board_say_why() {
    let (camera, board) = (camera(), chessboard());
    let pose = poses()[1];
    let picture = camera.picture(&board, &pose, NOISE, 1);
    let larger = Board::new(Pattern::Chessboard, 10, 7, 8.0).unwrap();
    let said = find_board(&picture, &larger).unwrap().unwrap_err();
    assert_eq!(
        said,
        NoBoard::OtherSize {
            columns: 9,
            rows: 6
        }
    );
    let far = Pose {
        middle_mm: [0.0, 0.0, 2500.0],
        ..pose
    };
    let said = find_board(&camera.picture(&board, &far, NOISE, 1), &board).unwrap();
    assert!(
        matches!(said, Err(NoBoard::TooSmall { .. } | NoBoard::NotFound)),
        "{said:?}"
    );
    let mut empty = picture.clone();
    empty.pixels.fill(128);
    assert_eq!(
        find_board(&empty, &board).unwrap().unwrap_err(),
        NoBoard::NotFound
    );
    let blurred = moved_while_exposed(&picture.pixels, 8);
    let said = find_board(
        &taktgate::vision::Picture {
            pixels: blurred,
            ..picture
        },
        &board,
    )
    .unwrap();
    assert!(matches!(said, Err(NoBoard::Blurred { .. })), "{said:?}");
}

/// Every pixel is the mean of so many to its right.
fn moved_while_exposed(pixels: &[u8], n: usize) -> Vec<u8> {
    let rows = pixels.chunks(SIZE.width_px as usize);
    rows.flat_map(|row| {
        (0..row.len()).map(move |at| {
            let seen = row.iter().cycle().skip(at).take(n);
            (seen.map(|value| usize::from(*value)).sum::<usize>() / n) as u8
        })
    })
    .collect()
}

#[test]
fn opencvs_own_chessboards_give_its_published_lens() {
    if are_missing() {
        return;
    }
    let board = Board::new(Pattern::Chessboard, 9, 6, 25.0).unwrap();
    let seen: Vec<_> = ALL
        .iter()
        .map(|number| {
            let picture = read_picture("left", &sample(*number));
            let sighting = find_board(&picture.unwrap(), &board).unwrap().unwrap();
            sighting.points
        })
        .collect();
    let size = SizePx {
        width_px: 640,
        height_px: 480,
    };
    let fit = fit_lens(&board, &seen, size).unwrap();
    eprintln!(
        "rms {} px {:?}\nsd {:?}",
        fit.rms_px,
        fit.lens.parameters(),
        fit.sd()
    );
    // left_intrinsics.yml beside these pictures: fx = fy, all 13 views, 0.39 px.
    let [fx, fy, cx, cy, k1, ..] = fit.lens.parameters();
    off(fx, 535.916, 5.4, "fx");
    off(fy, 535.916, 5.4, "fy");
    off(cx, 342.283, 3.0, "cx");
    off(cy, 235.571, 3.0, "cy");
    off(k1, -0.2664, 0.04, "k1");
    assert!(fit.rms_px < 0.39, "{}", fit.rms_px);
    // What bends a picture is all terms together: the same place must come out straightened alike.
    let published = Lens {
        focal_px: [535.916, 535.916],
        center_px: PointPx {
            x: 342.283,
            y: 235.571,
        },
        distortion: [
            -0.266_373,
            -0.038_589,
            0.001_783_19,
            -0.000_281_221,
            0.238_392,
        ],
    };
    let ray = |lens: &Lens, at: PointPx| {
        let flat = lens.undistort(at);
        let x = (flat.x - lens.center_px.x) / lens.focal_px[0];
        let y = (flat.y - lens.center_px.y) / lens.focal_px[1];
        x.atan2(1.0).hypot(y.atan2(1.0)).to_degrees()
    };
    let mut worst: f64 = 0.0;
    for at in (3..10).flat_map(|row| (3..14).map(move |column| (column, row))) {
        let at = PointPx {
            x: f64::from(at.0) * 40.0,
            y: f64::from(at.1) * 40.0,
        };
        worst = worst.max((ray(&fit.lens, at) - ray(&published, at)).abs());
    }
    eprintln!("rays differ by {worst} degrees at most");
    assert!(worst < 0.4, "{worst}");
}

/// One made-up calibration: corners with noise, fitted as pictures would be.
struct Trial {
    fit: LensFit,
    plane: PlaneFit,
    parts: LengthParts,
}

const CORNER_NOISE_PX: f64 = 0.15;
const BOARD_TOLERANCE: f64 = 0.0005;

fn trial(chance: &mut Chance, board_wrong_by: f64) -> Trial {
    let mut noisy = |board: &Board, pose: &Pose| -> Vec<PointPx> {
        let points = board.points_mm();
        let seen = points.iter().map(|at| {
            // The board is really so much larger than its maker says.
            let real = PointMm {
                x: at.x * (1.0 + board_wrong_by),
                y: at.y * (1.0 + board_wrong_by),
            };
            let seen = sees(&LENS, board, pose, real);
            PointPx {
                x: seen.x + CORNER_NOISE_PX * chance.normal(),
                y: seen.y + CORNER_NOISE_PX * chance.normal(),
            }
        });
        seen.collect()
    };
    let board = chessboard();
    let views: Vec<_> = poses().iter().map(|pose| noisy(&board, pose)).collect();
    let fit = fit_lens(&board, &views, SIZE).unwrap();
    let plane_board = plane_board();
    let points = known(&plane_board, &noisy(&plane_board, &ON_PLANE));
    let plane = fit_plane(&fit.lens, &points).unwrap();
    let scatter = Scatter {
        lens: &fit.lens,
        covariance: &fit.covariance,
        point_px: fit.rms_px / 2.0_f64.sqrt(),
    };
    let by_fit = plane.length_scatter(&scatter, &points, SIZE).unwrap();
    let parts = LengthParts {
        mm_per_px_max: plane.mm_per_px_max(&fit.lens, SIZE),
        fit_mm: by_fit.constant_mm,
        fit_share: by_fit.relative,
        board_tolerance: BOARD_TOLERANCE,
        height_tolerance: 0.0,
    };
    Trial { fit, plane, parts }
}

#[test]
fn the_stated_uncertainty_holds_the_truth_and_says_no_more_than_it_must() {
    const TRIALS: usize = 25;
    const LENGTHS: usize = 20;
    let mut chance = Chance::new(3);
    let (mut n_within, mut n_fit_within) = (0, 0);
    let (mut shares, mut fit_shares) = (0.0, 0.0);
    let mut last = None;
    for _ in 0..TRIALS {
        let wrong_by = BOARD_TOLERANCE * (2.0 * chance.unit() - 1.0);
        let Trial { fit, plane, parts } = trial(&mut chance, wrong_by);
        let stated = parts.expanded();
        last = Some((parts, stated.of(100.0)));
        for ends in ends(&mut chance, LENGTHS) {
            let truth = (ends[0].x - ends[1].x).hypot(ends[0].y - ends[1].y);
            let places = ends.map(|at| sees(&LENS, &plane_board(), &ON_PLANE, at));
            // As an outline has it: whole pixels.
            let on_pixels = places.map(|at| PointPx {
                x: at.x.round(),
                y: at.y.round(),
            });
            let share = (length_mm(&fit.lens, &plane, on_pixels) - truth).abs() / stated.of(truth);
            n_within += usize::from(share <= 1.0);
            shares += share;
            // Lens and plane alone: ends as they are, and the board's own error taken off.
            let alone = LengthUncertainty {
                constant_mm: 2.0 * parts.fit_mm,
                relative: 2.0 * parts.fit_share,
            };
            let length = length_mm(&fit.lens, &plane, places) * (1.0 + wrong_by);
            let share = (length - truth).abs() / alone.of(truth);
            n_fit_within += usize::from(share <= 1.0);
            fit_shares += share;
        }
    }
    let n = (TRIALS * LENGTHS) as f64;
    let within = [n_within, n_fit_within].map(|n_within| n_within as f64 / n);
    let shares = [shares / n, fit_shares / n];
    eprintln!("the last trial: {last:?}");
    eprintln!(
        "within what is stated: {within:?} (all, fit alone); mean share of it used: {shares:?}"
    );
    for (within, share) in within.into_iter().zip(shares) {
        assert!(0.95 <= within, "{within}");
        assert!(0.1 < share, "what is stated is far too much: {share}");
    }
}
