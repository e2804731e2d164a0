//! The settings of the method, in one place, with where each number comes from.

/// Fewer different parts than this teach nothing: the scatter of good parts is not known.
pub const PARTS_MIN: usize = 12;
/// With fewer than this the thresholds are guesses, and the package says so.
pub const PARTS_RECOMMENDED: usize = 40;
/// Most parts; more only cost time and memory.
pub const PARTS_MAX: usize = 1000;

/// Pixels of the model's input without `--size` and `--tiles`.
pub(super) const INPUT_AREA_PX: f64 = 384.0 * 384.0;
/// Longest side of the input in multiples of its shortest: the rest is squeezed.
pub(super) const INPUT_SIDES_RATIO_MAX: f64 = 4.0;

/// The share of the mean variance that is added to every direction before whitening.
pub(super) const RIDGE: f64 = 0.01;
/// Numbers of a whitened row: the strongest directions.
pub(super) const DIMENSIONS: usize = 128;
/// Rounds of the subspace iteration that finds them, and the seed of its start.
pub(super) const SUBSPACE_ROUNDS: usize = 12;
pub(super) const SUBSPACE_SEED: u64 = 1;
/// Rows of the bank.
pub(super) const BANK_ROWS: usize = 2000;
/// Rows among which those of the bank are chosen: drawn at random if there are more.
pub(super) const CANDIDATES_MAX: usize = 40_000;
/// Dimensions in which they are chosen.
pub(super) const CHOICE_DIMENSIONS: usize = 64;
/// Seed of the projection into them, and of the draw.
pub(super) const CHOICE_SEED: u64 = 7;
/// The spread of a row of the bank is the mean distance of its nearest patches of other parts: so many,
pub(super) const SPREAD_NEIGHBOURS: usize = 20;
/// and this share of the mean over all rows is added.
pub(super) const SPREAD_OF_MEAN: f32 = 1.0;
/// The score of a picture is the mean over this share of its places, the most unlike ones.
pub(super) const TOP_SHARE: f64 = 0.01;
/// Most bytes of raw rows in memory.
pub(super) const ROWS_BYTES_MAX: usize = 4 << 30;

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

/// A held-out part is an outlier if its log distance lies this many times the distance from the
/// median to the upper quartile above the median,
pub(super) const OUTLIER_SPREADS: f32 = 6.0;
/// and if it is at least this many times as unlike as the middle part.
pub(super) const OUTLIER_TIMES_MIN: f32 = 1.5;

/// Easiest good parts among the golden vectors.
pub(super) const GOLDEN_GOOD: usize = 3;
/// How far a score of a golden vector may be off on another machine.
pub(super) const GOLDEN_TOLERANCE: f32 = 0.005;
/// Regions of fewer cells count only where the score of the picture is over the threshold by itself.
pub(super) const AREA_MIN_CELLS: u32 = 1;
