//! Which parts of the picture the board's points were seen in, and what is still missing there.

use crate::domain::{PointPx, SizePx};

/// Rows and columns of cells.
const SIDE: usize = 3;

const NAMES: [[&str; SIDE]; SIDE] = [
    ["top left", "top", "top right"],
    ["left", "middle", "right"],
    ["bottom left", "bottom", "bottom right"],
];

/// Points counted in the cells of a 3 x 3 grid over the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// Row by row.
    pub cells: [[u32; SIDE]; SIDE],
}

impl Coverage {
    /// Counts the points.
    pub fn of<'p>(size: SizePx, points: impl Iterator<Item = &'p PointPx>) -> Self {
        let mut cells = [[0; SIDE]; SIDE];
        for point in points {
            let (column, row) = (
                third(point.x, size.width_px),
                third(point.y, size.height_px),
            );
            if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
                *cell += 1;
            }
        }
        Self { cells }
    }

    /// The names of the cells in which no point was seen.
    pub fn empty(&self) -> Vec<&'static str> {
        let names = NAMES.iter().flatten();
        let cells = names.zip(self.cells.iter().flatten());
        cells
            .filter(|(_, count)| **count == 0)
            .map(|(name, _)| *name)
            .collect()
    }

    /// How many cells have points.
    pub fn n_covered(&self) -> usize {
        SIDE * SIDE - self.empty().len()
    }
}

/// Which third of a side the place lies in.
fn third(place: f64, side_px: u32) -> usize {
    let share = (place + 0.5) / f64::from(side_px);
    [1.0 / 3.0, 2.0 / 3.0]
        .iter()
        .filter(|edge| **edge <= share)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_counts_in_its_cell_and_empty_cells_have_names() {
        let size = SizePx {
            width_px: 300,
            height_px: 150,
        };
        let points = [(0.0, 0.0), (99.0, 49.0), (100.0, 50.0), (299.0, 149.0)];
        let points = points.map(|(x, y)| PointPx { x, y });
        let coverage = Coverage::of(size, points.iter());
        assert_eq!(coverage.cells, [[2, 0, 0], [0, 1, 0], [0, 0, 1]]);
        assert_eq!(coverage.n_covered(), 3);
        assert_eq!(
            coverage.empty(),
            ["top", "top right", "left", "right", "bottom left", "bottom"]
        );
    }
}
