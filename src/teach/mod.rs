//! An anomaly model from pictures of good parts only, on the station: pictures in, a package out.
//!
//! PatchCore (Roth et al., arXiv 2106.08265) with a frozen backbone: the patch rows of good parts, a
//! coreset of them as the bank, and two thresholds from good parts that the bank has not seen.

mod cache;
mod coreset;
mod error;
mod histogram;
mod look;
mod method;
mod page;
mod spread;
mod whitening;

pub use cache::{CACHE_BYTES_MAX, Cache, Found, key};
pub use coreset::{greedy_k_centre, project};
pub use error::TeachError;
pub use histogram::Scores;
pub use look::{Look, Part, first_size, list};
pub use whitening::{Moments, Whitening};
