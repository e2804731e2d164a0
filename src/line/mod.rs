//! The line controller's side: announces parts at a takt, expects verdicts, rejects all that is not OK in time;
//! and tells a station what to do.

mod account;
mod command;
mod play;

pub use account::{Account, Action, PartResult};
pub use command::{CommandError, command};
pub use play::{LineError, Plan, play};
