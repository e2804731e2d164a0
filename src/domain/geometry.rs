//! Points, boxes and polygons: `_px` lives on the image as the camera gave it, `_mm` on the part's plane.

/// A width and a height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SizePx {
    /// Columns.
    pub width_px: u32,
    /// Rows.
    pub height_px: u32,
}

impl SizePx {
    /// All of the image, as a region.
    pub fn whole(self) -> RectPx {
        RectPx {
            x: 0.0,
            y: 0.0,
            width: self.width_px.into(),
            height: self.height_px.into(),
        }
    }
}

/// A position in an image; (0, 0) is the centre of the top left pixel, y points down.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PointPx {
    /// Column.
    pub x: f64,
    /// Row.
    pub y: f64,
}

/// A position on the part's plane in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PointMm {
    /// Along the plane's first axis.
    pub x: f64,
    /// Along the plane's second axis.
    pub y: f64,
}

/// An upright box in an image.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RectPx {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width, never negative.
    pub width: f64,
    /// Height, never negative.
    pub height: f64,
}

/// An upright box on the part's plane.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RectMm {
    /// Smallest x.
    pub x: f64,
    /// Smallest y.
    pub y: f64,
    /// Extent along x, never negative.
    pub width: f64,
    /// Extent along y, never negative.
    pub height: f64,
}

impl RectPx {
    /// The corners, clockwise from the top left.
    pub fn corners(&self) -> [PointPx; 4] {
        let (right, bottom) = (self.x + self.width, self.y + self.height);
        [
            PointPx {
                x: self.x,
                y: self.y,
            },
            PointPx {
                x: right,
                y: self.y,
            },
            PointPx {
                x: right,
                y: bottom,
            },
            PointPx {
                x: self.x,
                y: bottom,
            },
        ]
    }

    /// The middle.
    pub fn center(&self) -> PointPx {
        PointPx {
            x: self.x + self.width / 2.0,
            y: self.y + self.height / 2.0,
        }
    }

    /// The smallest upright box around `points`; `None` without points.
    pub fn around(points: &[PointPx]) -> Option<Self> {
        let (low, high) = bounds(points.iter().map(|p| (p.x, p.y)))?;
        Some(Self {
            x: low.0,
            y: low.1,
            width: high.0 - low.0,
            height: high.1 - low.1,
        })
    }
}

impl RectMm {
    /// The smallest upright box around `points`; `None` without points.
    pub fn around(points: &[PointMm]) -> Option<Self> {
        let (low, high) = bounds(points.iter().map(|p| (p.x, p.y)))?;
        Some(Self {
            x: low.0,
            y: low.1,
            width: high.0 - low.0,
            height: high.1 - low.1,
        })
    }

    /// The middle.
    pub fn center(&self) -> PointMm {
        PointMm {
            x: self.x + self.width / 2.0,
            y: self.y + self.height / 2.0,
        }
    }

    /// Whether `point` lies inside or on the edge.
    pub fn contains(&self, point: PointMm) -> bool {
        (self.x..=self.x + self.width).contains(&point.x)
            && (self.y..=self.y + self.height).contains(&point.y)
    }
}

type Pair = (f64, f64);

fn bounds(points: impl Iterator<Item = Pair>) -> Option<(Pair, Pair)> {
    points.fold(None, |found, (x, y)| {
        let (low, high) = found.unwrap_or(((x, y), (x, y)));
        Some(((low.0.min(x), low.1.min(y)), (high.0.max(x), high.1.max(y))))
    })
}

/// Whether `point` lies inside the closed `polygon` (even-odd rule).
pub fn polygon_contains(polygon: &[PointMm], point: PointMm) -> bool {
    let following = polygon.iter().skip(1).chain(polygon.first());
    polygon.iter().zip(following).fold(false, |inside, (a, b)| {
        let crosses = (a.y > point.y) != (b.y > point.y)
            && point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x;
        inside != crosses
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_with_a_notch_keeps_the_notch_outside() {
        let u_shape = [
            (0., 0.),
            (9., 0.),
            (9., 9.),
            (6., 9.),
            (6., 3.),
            (3., 3.),
            (3., 9.),
            (0., 9.),
        ]
        .map(|(x, y)| PointMm { x, y });
        assert!(polygon_contains(&u_shape, PointMm { x: 1.0, y: 8.0 }));
        assert!(!polygon_contains(&u_shape, PointMm { x: 4.5, y: 8.0 }));
        assert!(!polygon_contains(&u_shape, PointMm { x: -1.0, y: 1.0 }));
        assert!(!polygon_contains(&[], PointMm::default()));
    }
}
