//! An anomaly model from pictures of good parts only, on the station: pictures in, a package out.
//!
//! `PatchCore` (Roth et al., arXiv 2106.08265) with a frozen backbone: the patch rows of good parts, a
//! coreset of them as the bank, and two thresholds from good parts that the bank has not seen.
//! [`study`] does all of the learning; [`write()`] makes the package of it.

mod against;
mod bank;
mod cache;
mod coreset;
mod defect;
mod doubles;
mod error;
mod features;
mod fitness;
mod histogram;
mod input;
mod look;
mod method;
mod moved;
mod package;
mod page;
mod progress;
mod report;
mod round;
mod split;
mod study;
mod suspects;
mod threads;
mod thresholds;
mod whitening;
mod world;

pub use cache::CACHE_BYTES_MAX;
pub use coreset::{greedy_k_centre, project};
pub use error::TeachError;
pub use features::Engine;
pub use fitness::fitness_limits;
pub use histogram::Scores;
pub use look::{Look, Part};
pub use method::{PARTS_MAX, PARTS_MIN, PARTS_RECOMMENDED};
pub use package::{LABEL, Title, write};
pub use progress::Progress;
pub use study::{Repeated, Request, Study, study};
pub use suspects::{Suspect, Suspicious, Why};
pub use thresholds::{OVERKILL, REVIEW, Rates, Thresholds};
