//! The fault bench: each row injects a fault into a running station and keeps the account of what the
//! line was told. `make faults` runs all of it at length and writes `docs/faults.md`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::panic, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
#![expect(
    clippy::print_stderr,
    reason = "what a test skips or finds gone is said aloud"
)]

#[path = "faults/account.rs"]
mod account;
#[path = "faults/bench.rs"]
mod bench;
#[path = "publish/certificates.rs"]
mod certificates;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/history.rs"]
mod history;
#[path = "station/house.rs"]
#[expect(dead_code, reason = "the station's own tests use the rest")]
mod house;
#[path = "faults/line.rs"]
mod line;
#[path = "faults/million.rs"]
mod million;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/proxy.rs"]
mod proxy;
#[path = "record/sample.rs"]
mod sample;
#[path = "faults/security.rs"]
mod security;
#[path = "faults/station.rs"]
mod station;
#[path = "faults/storage.rs"]
mod storage;
#[path = "faults/table.rs"]
mod table;

use account::Row;
use bench::Scale;

macro_rules! faults {
    ($($room:ident::$name:ident,)*) => {
        /// Every row of the table.
        const ALL: &[fn(Scale) -> Row] = &[$($room::$name),*];

        mod quick {
            $(
                #[test]
                fn $name() {
                    crate::$room::$name(crate::Scale::Quick);
                }
            )*
        }

        /// One row at length: `cargo test --release --test faults -- --ignored --nocapture long::storm`.
        mod long {
            $(
                #[test]
                #[ignore = "takes minutes: `make faults` runs them all"]
                fn $name() {
                    eprintln!("{:#?}", crate::$room::$name(crate::Scale::Long));
                }
            )*
        }
    };
}

faults! {
    network::broker_restarted,
    network::broker_without_its_session,
    network::connection_cut,
    network::connection_cut_v311,
    network::half_open,
    network::slow_network,
    network::stalled_trigger,
    network::stalled_verdict,
    network::slow_subscriber,
    history::broker_away_for_hours,
    history::client_id_changed,
    line::repeated_and_out_of_order,
    line::storm,
    line::flood,
    line::rubbish,
    line::too_large,
    line::too_large_v311,
    security::server_certificate_expired,
    security::client_certificate_foreign,
    station::killed,
    station::told_to_stop_with_a_part_open,
    storage::disk_full,
    storage::disk_read_only,
    storage::disk_fails_while_running,
    storage::damaged_page,
    storage::damaged_while_running,
    station::clock_stepped,
    station::camera_hangs,
    station::camera_vanishes,
    station::model_gives_nan,
    station::model_fails,
    station::model_blocks,
}
