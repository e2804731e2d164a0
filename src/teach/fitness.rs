//! How fit the pictures of a view should be, judged by those of its good parts.

use crate::recipe::FitnessLimits;

use super::look::Part;

/// How far light, contrast and sharpness may go beyond what good parts showed; generous, for a part
/// that is out of it is not judged at all.
const MEAN_FACTOR: f64 = 0.6;
const CONTRAST_FACTOR: f64 = 0.5;
const SHARPNESS_FACTOR: f64 = 0.3;
const BURNT_FACTOR: f64 = 2.0;
const BURNT_EXTRA: f64 = 0.02;

/// Limits within which all the parts lie, with room: another process's pictures, a blank sheet or a
/// covered lens lie outside.
pub fn fitness_limits(parts: &[Part]) -> FitnessLimits {
    let least = |of: fn(&Part) -> f64| parts.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&Part) -> f64| parts.iter().map(of).fold(0.0, f64::max);
    let burnt = most(|part| part.fitness.burnt_fraction);
    FitnessLimits {
        mean_min: least(|part| part.fitness.mean) * MEAN_FACTOR,
        mean_max: 255.0 - (255.0 - most(|part| part.fitness.mean)) * MEAN_FACTOR,
        burnt_fraction_max: (burnt * BURNT_FACTOR + BURNT_EXTRA).min(1.0),
        contrast_min: least(|part| part.fitness.contrast) * CONTRAST_FACTOR,
        sharpness_min: least(|part| part.fitness.sharpness) * SHARPNESS_FACTOR,
        refuse_duplicate: true,
    }
}
