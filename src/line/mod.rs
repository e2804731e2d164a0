//! The line controller's side: announces parts at a takt, expects verdicts, rejects all that is not OK in time.

mod account;
mod play;

pub use account::{Account, Action, PartResult};
pub use play::{LineError, Plan, play};
