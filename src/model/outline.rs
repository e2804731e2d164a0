//! From a contour through cell centres to the outline that runs around the cells.

use crate::domain::PointPx;

/// Most moves from cell to cell along one contour.
const MOVES_MAX: usize = 1 << 20;

/// A cell in whole columns and rows.
type Cell = (i64, i64);

/// The outline around the cells that a closed contour visits, in cell-centre coordinates.
///
/// A contour through centres leaves half a cell out on each side: one cell has no area at all. This
/// outline follows the cells' borders, so its area is exactly the number of cells (holes filled).
/// `None` if the contour is empty, not finite or endless.
pub(super) fn around_cells(contour: &[PointPx]) -> Option<Vec<PointPx>> {
    let mut cells = Vec::with_capacity(contour.len());
    for point in contour {
        cells.push((whole(point.x)?, whole(point.y)?));
    }
    let mut moves = moves(&cells)?;
    if moves.is_empty() {
        return cells
            .first()
            .map(|cell| (0..4).map(|at| corner(*cell, at)).collect());
    }
    // The walk below has the cells on its right (clockwise as seen, for y points down).
    if doubled_area(&cells) < 0 {
        moves.reverse();
        for (cell, direction) in &mut moves {
            let (dx, dy) = STEPS.get(*direction)?;
            *cell = (cell.0 + dx, cell.1 + dy);
            *direction = (*direction + 4) % 8;
        }
    }
    let before = moves.iter().cycle().skip(moves.len() - 1);
    let mut outline = Vec::with_capacity(moves.len() * 2);
    for ((cell, next), (_, last)) in moves.iter().zip(before) {
        let (enters, leaves) = ((last / 2 + 3) % 4, next.div_ceil(2) % 4);
        // Coming back from the tip of a diagonal means going around the whole cell.
        let turned_back = (next + 8 - last) % 8 == 4;
        let corners = match (leaves + 4 - enters) % 4 {
            0 if turned_back => 4,
            corners => corners,
        };
        outline.extend((enters..=enters + corners).map(|at| corner(*cell, at % 4)));
    }
    outline.dedup();
    drop_straight(&mut outline);
    Some(outline)
}

/// East, then clockwise.
const STEPS: [Cell; 8] = [
    (1, 0),
    (1, 1),
    (0, 1),
    (-1, 1),
    (-1, 0),
    (-1, -1),
    (0, -1),
    (1, -1),
];

fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (value.abs() < 1e9).then(|| value.round() as i64)
}

/// The corners of a cell: top right, then clockwise.
fn corner(cell: Cell, at: usize) -> PointPx {
    let (dx, dy) = match at {
        0 => (0.5, -0.5),
        1 => (0.5, 0.5),
        2 => (-0.5, 0.5),
        _ => (-0.5, -0.5),
    };
    // Below a thousand million, checked above: exact.
    PointPx {
        x: cell.0 as f64 + dx,
        y: cell.1 as f64 + dy,
    }
}

/// The closed contour as single moves from a cell to one of its eight neighbours.
fn moves(cells: &[Cell]) -> Option<Vec<(Cell, usize)>> {
    let mut moves = Vec::with_capacity(cells.len());
    let following = cells.iter().skip(1).chain(cells.first());
    for (from, to) in cells.iter().zip(following) {
        let mut at = *from;
        while at != *to {
            let step = ((to.0 - at.0).signum(), (to.1 - at.1).signum());
            moves.push((at, STEPS.iter().position(|known| *known == step)?));
            at = (at.0 + step.0, at.1 + step.1);
            if moves.len() > MOVES_MAX {
                return None;
            }
        }
    }
    Some(moves)
}

fn doubled_area(cells: &[Cell]) -> i64 {
    let following = cells.iter().skip(1).chain(cells.first());
    cells
        .iter()
        .zip(following)
        .map(|(a, b)| a.0 * b.1 - b.0 * a.1)
        .sum()
}

/// Keeps only the corners where the outline turns.
fn drop_straight(outline: &mut Vec<PointPx>) {
    let n = outline.len();
    let before = outline.iter().cycle().skip(n.saturating_sub(1));
    let after = outline.iter().cycle().skip(1);
    let kept = outline
        .iter()
        .zip(before)
        .zip(after)
        .filter(|((point, before), after)| {
            let cross = (point.x - before.x) * (after.y - point.y)
                - (point.y - before.y) * (after.x - point.x);
            cross != 0.0
        })
        .map(|((point, _), _)| *point)
        .collect();
    *outline = kept;
}
