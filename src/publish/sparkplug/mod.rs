//! The Sparkplug B plane: the station as an edge node, its gate as a device; tags, counters, births.
//!
//! Switchable, and beside the wire contract: the verdict that rejects a part never rides on it, because
//! Sparkplug's data is sent at most once. `docs/sparkplug.md` is for whoever reads the tags.
//!
//! | file | what lives there |
//! | --- | --- |
//! | `settings` | checked names and the topics made of them |
//! | `proto` | the payload's Protocol Buffers messages |
//! | `tag` | the tags: name, type, owner, and what of our messages they show |
//! | `host` | the primary host's STATE |
//! | `history` | changes that wait until the host is there |
//! | `edge` | the rules of a session: a state machine without clock, socket or thread |
//! | `bd_seq` | the count of connects, over restarts |
//! | `task` | the network task |
//! | `plane` | the handle that the station holds |

mod bd_seq;
mod edge;
mod history;
mod host;
mod plane;
mod proto;
mod settings;
mod tag;
mod task;

pub use history::HISTORY_MAX;
pub use plane::{SAMPLES_MAX, Sparkplug};
pub use settings::{SparkplugError, SparkplugSettings};
