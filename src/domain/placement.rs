//! Where a part lies: its motion on the plane against the part of the reference picture.

use super::PointMm;

/// How a part lies against the one of the reference picture: turned about `pivot`, then shifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement {
    /// The point of the reference that stays where it is when the part only turns.
    pub pivot: PointMm,
    /// How far the pivot moved.
    pub shift: PointMm,
    /// How far the part is turned, from the plane's first axis towards its second.
    pub turn_deg: f64,
    /// How well the marks were met: the mean of their correlations, 0 to 1.
    pub score: f64,
}

impl Placement {
    /// The part lies as in the reference picture.
    pub fn at_home(pivot: PointMm) -> Self {
        Self {
            pivot,
            shift: PointMm::default(),
            turn_deg: 0.0,
            score: 1.0,
        }
    }

    /// The rigid motion that brings the first point of each pair nearest to the second, in the sense of
    /// least squares with a weight each (Kabsch 1976, in the plane); one pair gives a shift alone. `None`
    /// without a pair that has a weight.
    pub fn fit(pairs: &[(PointMm, PointMm, f64)], score: f64) -> Option<Self> {
        let pivot = mean(pairs.iter().map(|(home, _, weight)| (*home, *weight)))?;
        let middle = mean(pairs.iter().map(|(_, now, weight)| (*now, *weight)))?;
        let (dot, cross) = pairs
            .iter()
            .fold((0.0, 0.0), |(dot, cross), (home, now, weight)| {
                let (a, b) = (minus(*home, pivot), minus(*now, middle));
                (
                    dot + weight * (a.x * b.x + a.y * b.y),
                    cross + weight * (a.x * b.y - a.y * b.x),
                )
            });
        Some(Self {
            pivot,
            shift: minus(middle, pivot),
            turn_deg: f64::atan2(cross, dot).to_degrees(),
            score,
        })
    }

    /// The same motion told about another point.
    #[must_use]
    pub fn about(self, pivot: PointMm) -> Self {
        Self {
            pivot,
            shift: minus(self.now_from_home(pivot), pivot),
            ..self
        }
    }

    /// How far the pivot moved.
    pub fn shift_mm(&self) -> f64 {
        self.shift.x.hypot(self.shift.y)
    }

    /// Where a place of the reference part lies now.
    pub fn now_from_home(&self, home: PointMm) -> PointMm {
        let turned = turned(minus(home, self.pivot), self.turn_deg);
        plus(plus(turned, self.pivot), self.shift)
    }

    /// Which place of the reference part lies here now; the way back of [`Self::now_from_home`].
    pub fn home_from_now(&self, now: PointMm) -> PointMm {
        let from_pivot = minus(minus(now, self.pivot), self.shift);
        plus(turned(from_pivot, -self.turn_deg), self.pivot)
    }
}

fn mean(points: impl Iterator<Item = (PointMm, f64)>) -> Option<PointMm> {
    let (sum, weight) = points.fold(
        (PointMm::default(), 0.0),
        |(sum, total), (point, weight)| {
            let weighted = PointMm {
                x: point.x * weight,
                y: point.y * weight,
            };
            (plus(sum, weighted), total + weight)
        },
    );
    (0.0 < weight).then(|| PointMm {
        x: sum.x / weight,
        y: sum.y / weight,
    })
}

fn plus(a: PointMm, b: PointMm) -> PointMm {
    PointMm {
        x: a.x + b.x,
        y: a.y + b.y,
    }
}

fn minus(a: PointMm, b: PointMm) -> PointMm {
    PointMm {
        x: a.x - b.x,
        y: a.y - b.y,
    }
}

fn turned(point: PointMm, by_deg: f64) -> PointMm {
    let (sin, cos) = by_deg.to_radians().sin_cos();
    PointMm {
        x: point.x * cos - point.y * sin,
        y: point.x * sin + point.y * cos,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = PointMm> {
        (-300.0..300.0f64, -300.0..300.0f64).prop_map(|(x, y)| PointMm { x, y })
    }

    prop_compose! {
        fn placement()(pivot in point(), shift in point(), turn_deg in -170.0..170.0f64) -> Placement {
            Placement { pivot, shift, turn_deg, score: 1.0 }
        }
    }

    fn gap(a: PointMm, b: PointMm) -> f64 {
        (a.x - b.x).hypot(a.y - b.y)
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_place(placement in placement(), home in point()) {
            let back = placement.home_from_now(placement.now_from_home(home));
            prop_assert!(gap(back, home) < 1e-9);
        }

        #[test]
        fn it_is_the_same_motion_about_another_point(placement in placement(), pivot in point(), home in point()) {
            let told = placement.about(pivot);
            prop_assert!(gap(told.now_from_home(home), placement.now_from_home(home)) < 1e-9);
        }

        #[test]
        fn lengths_stay(placement in placement(), a in point(), b in point()) {
            let moved = gap(placement.now_from_home(a), placement.now_from_home(b));
            prop_assert!((moved - gap(a, b)).abs() < 1e-9);
        }

        #[test]
        fn the_motion_of_two_or_more_points_is_found(
            placement in placement(),
            homes in prop::collection::vec(point(), 2..6),
            elsewhere in point(),
        ) {
            prop_assume!(1.0 < gap(homes[0], homes[1]));
            let weights = [0.5, 1.0, 2.0, 4.0, 0.1, 3.0];
            let pairs: Vec<_> = homes.iter().zip(weights)
                .map(|(home, weight)| (*home, placement.now_from_home(*home), weight))
                .collect();
            let found = Placement::fit(&pairs, 1.0).unwrap();
            prop_assert!(gap(found.now_from_home(elsewhere), placement.now_from_home(elsewhere)) < 1e-6);
        }
    }

    #[test]
    fn one_point_gives_a_shift_and_none_gives_nothing() {
        let [home, now] = [(10.0, 20.0), (13.0, 24.0)].map(|(x, y)| PointMm { x, y });
        let found = Placement::fit(&[(home, now, 1.0)], 0.9).unwrap();
        assert!((found.shift_mm() - 5.0).abs() < 1e-12);
        assert!(found.turn_deg.abs() < 1e-12);
        assert_eq!(Placement::fit(&[], 1.0), None);
        assert_eq!(Placement::fit(&[(home, now, 0.0)], 1.0), None);
    }
}
