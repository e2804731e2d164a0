//! Boards that are photographed to calibrate: their pattern, and where its points lie in millimetres.

use std::fmt;

use crate::domain::PointMm;

/// Fewest points along a side: OpenCV looks for nothing smaller.
const SIDE_MIN: u32 = 3;
/// Most points along a side.
const SIDE_MAX: u32 = 100;
/// Smallest and greatest pitch.
const PITCH_MM: [f64; 2] = [0.01, 1000.0];

/// What is printed on a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Black and white squares; its points are the inner corners, where four squares meet.
    Chessboard,
    /// Circles in rows and columns; its points are their centres.
    Circles,
    /// Circles whose every second row is moved by half a step.
    AsymmetricCircles,
}

/// A board.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Board {
    pattern: Pattern,
    columns: u32,
    rows: u32,
    pitch_mm: f64,
}

/// Why there can be no such board.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BoardError {
    /// Too few or too many points along a side.
    #[error(
        "a board of {columns} x {rows} points is not read; write {SIDE_MIN}x{SIDE_MIN} to {SIDE_MAX}x{SIDE_MAX} and count inner corners, not squares"
    )]
    Points {
        /// Points of a row.
        columns: u32,
        /// Rows.
        rows: u32,
    },
    /// A distance that no board has.
    #[error("a pitch of {pitch_mm} mm is out of range; write {} to {}", PITCH_MM[0], PITCH_MM[1])]
    Pitch {
        /// What was given.
        pitch_mm: f64,
    },
}

impl Board {
    /// A board of `columns` x `rows` points: a chessboard's inner corners, or circles. `pitch_mm` is the
    /// side of a square, or the distance of neighbouring circles; on the asymmetric grid it is half the
    /// distance of neighbours in a row, as OpenCV counts.
    ///
    /// # Errors
    /// [`BoardError`] if the numbers are no board's.
    pub fn new(
        pattern: Pattern,
        columns: u32,
        rows: u32,
        pitch_mm: f64,
    ) -> Result<Self, BoardError> {
        let side = SIDE_MIN..=SIDE_MAX;
        if !side.contains(&columns) || !side.contains(&rows) {
            return Err(BoardError::Points { columns, rows });
        }
        if !(PITCH_MM[0]..=PITCH_MM[1]).contains(&pitch_mm) {
            return Err(BoardError::Pitch { pitch_mm });
        }
        Ok(Self {
            pattern,
            columns,
            rows,
            pitch_mm,
        })
    }

    /// What is printed on it.
    pub fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Points of a row.
    pub fn columns(&self) -> u32 {
        self.columns
    }

    /// Rows of points.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// All points, row by row, the first one at (0, 0).
    pub fn points_mm(&self) -> Vec<PointMm> {
        let place = |row: u32, column: u32| {
            let x = match self.pattern {
                Pattern::Chessboard | Pattern::Circles => column,
                Pattern::AsymmetricCircles => 2 * column + row % 2,
            };
            PointMm {
                x: f64::from(x) * self.pitch_mm,
                y: f64::from(row) * self.pitch_mm,
            }
        };
        (0..self.rows)
            .flat_map(|row| (0..self.columns).map(move |column| place(row, column)))
            .collect()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chessboard => "chessboard",
            Self::Circles => "circle grid",
            Self::AsymmetricCircles => "asymmetric circle grid",
        })
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pattern,
            columns,
            rows,
            pitch_mm,
        } = self;
        write!(f, "{pattern} {columns} x {rows}, {pitch_mm} mm")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_row_by_row_and_every_second_row_of_an_asymmetric_grid_is_moved() {
        let of = |pattern| Board::new(pattern, 4, 3, 2.5).unwrap().points_mm();
        let chessboard = of(Pattern::Chessboard);
        assert_eq!(chessboard.len(), 12);
        assert_eq!(chessboard[6], PointMm { x: 5.0, y: 2.5 });
        assert_eq!(
            of(Pattern::AsymmetricCircles)[6],
            PointMm { x: 12.5, y: 2.5 }
        );
    }

    #[test]
    fn what_is_no_board_is_refused() {
        let error = |columns, rows, pitch_mm| {
            let board = Board::new(Pattern::Chessboard, columns, rows, pitch_mm);
            board.unwrap_err().to_string()
        };
        insta::assert_snapshot!(error(2, 6, 10.0), @"a board of 2 x 6 points is not read; write 3x3 to 100x100 and count inner corners, not squares");
        insta::assert_snapshot!(error(9, 6, f64::NAN), @"a pitch of NaN mm is out of range; write 0.01 to 1000");
    }
}
