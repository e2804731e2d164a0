//! What to look for on a part type: views, preparation, fitness and limits, as written and checked.

mod steps;

pub use steps::{FitnessLimits, Step};
