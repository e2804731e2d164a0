//! The settings of the method, in one place, with where each number comes from.

/// Fewer different parts than this teach nothing: the scatter of good parts is not known.
pub const PARTS_MIN: usize = 10;
/// With fewer than this the thresholds are guesses, and the package says so.
pub const PARTS_RECOMMENDED: usize = 40;
/// Most parts; more only cost time and memory.
pub const PARTS_MAX: usize = 1000;

/// Pixels of the model's input without `--size` and `--tiles`.
pub(super) const INPUT_AREA_PX: f64 = 352.0 * 352.0;
/// Least side of the input in steps of the backbone.
pub(super) const INPUT_STEPS_MIN: u32 = 2;

/// Greatest side of the input.
pub(super) const INPUT_SIDE_MAX_PX: u32 = 4096;

/// The share of the mean variance that is added to every direction before whitening.
pub(super) const RIDGE: f64 = 0.01;
/// Numbers of a whitened row: the strongest directions.
pub(super) const DIMENSIONS: usize = 128;
/// Parts that mean and whitening are computed from, evenly spaced among all.
pub(super) const BASIS_PARTS_MAX: usize = 64;
/// Rounds of the subspace iteration that finds the strongest directions.
pub(super) const SUBSPACE_ROUNDS: usize = 30;
/// Rows of the bank.
pub(super) const BANK_ROWS: usize = 2000;
/// Rows among which those of the bank are chosen: drawn at random if there are more.
pub(super) const CANDIDATES_MAX: usize = 40_000;
/// Dimensions in which they are chosen.
pub(super) const CHOICE_DIMENSIONS: usize = 64;
/// The spread of a row of the bank is the mean distance of so many nearest patches of other parts,
pub(super) const SPREAD_NEIGHBOURS: usize = 20;
/// looked for among so many parts, evenly spaced among all.
pub(super) const SPREAD_PARTS_MAX: usize = 100;
/// The score of a picture is the mean over one of so many places, rounded up: the most unlike ones.
pub(super) const TOP_ONE_OF: usize = 100;
/// Most bytes of whitened rows in memory.
pub(super) const ROWS_BYTES_MAX: u64 = 4 << 30;

/// How far a side of a picture may differ from the usual one, as a share of that.
pub(super) const SIZE_DIFFERENCE_MAX: f64 = 0.05;
/// Side of the thumbnails that pictures are compared by.
pub(super) const THUMBNAIL_SIDE_PX: u32 = 128;
/// Two pictures show the same if they differ by less than this share of the median difference of two
/// pictures. Measured: noise of 4 grey levels, JPEG at 80, 5 % more light give 0.01 to 0.08; the most
/// alike different parts of nine sets 0.13 to 0.8.
pub(super) const SAME_RATIO_MAX: f32 = 0.08;
/// or by less than this many grey levels, whichever is more.
pub(super) const SAME_LEVELS_MAX: f32 = 0.4;

/// From this median response of the phase correlation on, parts lie in a fixed pose. Measured: parts
/// in free pose 0.02 to 0.16, in a fixture 0.45 to 0.6.
pub(super) const FIXED_RESPONSE_MIN: f64 = 0.25;
/// A picture in a fixed pose is moved from this share of its side on,
pub(super) const MOVED_SHARE_MIN: f64 = 0.01;
/// or from this many times the usual shift on, whichever is more.
pub(super) const MOVED_TIMES_USUAL: f64 = 4.0;
/// Below this response of its own, a picture's shift says nothing.
pub(super) const MOVED_RESPONSE_MIN: f64 = 0.15;

/// Easiest good parts among the golden vectors.
pub(super) const GOLDEN_GOOD: usize = 3;
/// How far a score of a golden vector may be off on another machine.
pub(super) const GOLDEN_TOLERANCE: f32 = 0.005;
/// Regions of fewer cells count only where the score of the picture is over the threshold by itself.
pub(super) const AREA_MIN_CELLS: u32 = 1;

/// A part is suspicious if its distance from the others lies this many deviations above the centre.
/// Measured on 48 clean sets of 20 to 100 screws and commutators: every second has one such part.
pub(super) const SUSPICIOUS_DEVIATIONS: f64 = 3.5;
/// If it is also this many times as unlike as usual, nothing is taught until a person has looked. The
/// most unusual good part of those sets had 1.32; a scratch on a real screw has no more, a part that
/// anybody would take out does.
pub(super) const GRAVE_TIMES_USUAL: f32 = 1.5;

/// A cut of the sequence leaves at least this many parts on either side.
pub(super) const SPLIT_SIDE_MIN: usize = 4;
/// Across it, parts differ this many times as much as inside its sides.
pub(super) const SPLIT_RATIO_MIN: f64 = 1.1;
/// Shuffled sequences that must not fall apart as much.
pub(super) const SPLIT_SHUFFLES: usize = 200;
