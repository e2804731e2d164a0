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
//! | `incoming` | what hosts say, read from any bytes: STATE and commands |
//! | `host` | the primary host: whether it is there |
//! | `rebirth` | how often hosts get the births that they ask for |
//! | `history` | changes that wait until the host is there |
//! | `edge` | the rules of a session: a state machine without clock, socket or thread |
//! | `bd_seq` | the count of connects, over restarts |
//! | `task` | the network task |
//! | `plane` | the handle that the station holds |

mod bd_seq;
mod edge;
mod history;
mod host;
mod incoming;
mod plane;
mod proto;
mod rebirth;
mod settings;
mod tag;
mod task;

pub use history::HISTORY_MAX;
pub use incoming::{HostMessageError, HostState, NodeCommand};
pub use plane::{SAMPLES_MAX, Sparkplug};
pub use rebirth::REBIRTH_EVERY;
pub use settings::{SparkplugError, SparkplugSettings};
