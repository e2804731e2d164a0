//! A plate with marks and scratches of known length, drawn as exactly as it is known: in millimetres.

use taktgate::calibration::Chance;
use taktgate::domain::{Placement, PointMm};

/// Grey levels; a model that marks what is over 160 sees a scratch's edge where the truth has it.
const BENCH: f64 = 60.0;
const PLATE: f64 = 100.0;
const HOLE: f64 = 30.0;
const SCRATCH: f64 = 220.0;
/// Over so many millimetres an edge turns from one level into the other.
const EDGE_MM: f64 = 0.05;

/// How wide scratches are: some pixels of the model's input.
pub(crate) const WIDTH_MM: f64 = 1.0;
/// The plate's corners.
const PLATE_MM: [PointMm; 2] = [PointMm { x: -2.0, y: -2.0 }, PointMm { x: 82.0, y: 58.0 }];
/// Scratches lie in here, holes outside.
const INNER_MM: [PointMm; 2] = [PointMm { x: 10.0, y: 9.0 }, PointMm { x: 70.0, y: 47.0 }];
/// The point that the plate is turned about.
pub(crate) const MIDDLE: PointMm = PointMm { x: 40.0, y: 28.0 };

/// Slots along the rim, no two alike: left, top, width, height.
const HOLES_MM: [[f64; 4]; 9] = [
    [2.0, 2.0, 6.0, 3.0],
    [3.5, 5.0, 2.0, 3.0],
    [71.0, 3.0, 3.0, 5.0],
    [74.0, 3.0, 4.0, 1.5],
    [3.0, 49.0, 3.0, 4.0],
    [5.0, 51.5, 4.0, 1.5],
    [72.0, 48.5, 5.5, 2.5],
    [36.0, 2.0, 3.0, 2.0],
    [44.0, 50.0, 2.0, 4.5],
];

/// A straight scratch with round ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scratch {
    pub(crate) middle: PointMm,
    /// From end to end, the round ends included: its longest extent.
    pub(crate) length_mm: f64,
    along_deg: f64,
}

impl Scratch {
    /// How far outside its edge a place lies; below 0 inside.
    fn outside_mm(&self, at: PointMm) -> f64 {
        let (x, y) = (at.x - self.middle.x, at.y - self.middle.y);
        let far = self.length_mm;
        if far < x.abs() || far < y.abs() {
            return far;
        }
        let (sin, cos) = self.along_deg.to_radians().sin_cos();
        let half_mm = (self.length_mm - WIDTH_MM) / 2.0;
        let beyond = ((x * cos + y * sin).abs() - half_mm).max(0.0);
        beyond.hypot(y * cos - x * sin) - WIDTH_MM / 2.0
    }
}

/// One scratch of each length, each in its own place and in a direction of its own.
pub(crate) fn scratches(lengths_mm: [f64; 6], chance: &mut Chance) -> [Scratch; 6] {
    // A multiple of 45 degrees now and then: there a mask's edge is a line or a staircase.
    let mut direction = || {
        let along_deg = 180.0 * chance.unit();
        let steps = (along_deg / 45.0).round();
        let is_even = chance.unit() < 0.3;
        if is_even { 45.0 * steps } else { along_deg }
    };
    let along_deg = [(); 6].map(|()| direction());
    let first = (6.0 * chance.unit()).floor();
    std::array::from_fn(|place| {
        let slot = (place as f64 + first) % 6.0;
        let mut off_mm = || 2.0 * (chance.unit() - 0.5);
        Scratch {
            middle: PointMm {
                x: 19.0 + 21.0 * (slot % 3.0) + off_mm(),
                y: 18.0 + 20.0 * (slot / 3.0).floor() + off_mm(),
            },
            length_mm: lengths_mm[place],
            along_deg: along_deg[place],
        }
    })
}

/// How bright the plate is at a place of the plane, lying as `placement` says.
pub(crate) fn light(placement: &Placement, scratches: &[Scratch], now: PointMm) -> f64 {
    let at = placement.home_from_now(now);
    let over = |from: f64, to: f64, outside_mm: f64| {
        from + (to - from) * (0.5 - outside_mm / EDGE_MM).clamp(0.0, 1.0)
    };
    if outside_mm(INNER_MM, at) <= 0.0 {
        let nearest = scratches.iter().map(|scratch| scratch.outside_mm(at));
        return over(PLATE, SCRATCH, nearest.fold(f64::INFINITY, f64::min));
    }
    let holes = HOLES_MM.map(|[x, y, width, height]| {
        let corners = [
            PointMm { x, y },
            PointMm {
                x: x + width,
                y: y + height,
            },
        ];
        outside_mm(corners, at)
    });
    let level = over(BENCH, PLATE, outside_mm(PLATE_MM, at));
    over(level, HOLE, holes.into_iter().fold(f64::INFINITY, f64::min))
}

/// How far outside a rectangle a place lies; below 0 inside.
fn outside_mm([low, high]: [PointMm; 2], at: PointMm) -> f64 {
    let across = (low.x - at.x).max(at.x - high.x);
    across.max((low.y - at.y).max(at.y - high.y))
}
