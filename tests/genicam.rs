//! Stations on Aravis' fake GigE Vision camera: each part gets the frame of its own trigger, whatever
//! happens to camera and cable. The camera broadcasts, so each test runs in a network of its own.
#![cfg(feature = "genicam")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and says aloud what it skips"
)]

#[path = "genicam/account.rs"]
mod account;
#[path = "genicam/camera.rs"]
mod camera;
#[path = "station/house.rs"]
#[expect(dead_code, reason = "the station's own tests use the rest")]
mod house;
#[path = "genicam/refusals.rs"]
mod refusals;

use account::{Account, Cut};
use camera::in_own_network;

#[test]
fn each_part_gets_the_frame_of_its_own_trigger() {
    in_own_network("each_part_gets_the_frame_of_its_own_trigger", || {
        let mut account = Account::new();
        account.parts(50);
        account.cut(Cut::Killed);
        account.parts(50);
        account.cut(Cut::Hung);
        account.parts(50);
        account.cut(Cut::Unplugged);
        account.parts(50);
        account.close();
    });
}

mod long {
    use super::{Account, Cut, in_own_network};

    #[test]
    #[ignore = "takes twenty minutes: `make faults` runs it"]
    fn ten_thousand_parts_with_cuts_between() {
        in_own_network("long::ten_thousand_parts_with_cuts_between", || {
            let mut account = Account::new();
            for cut in [Cut::Killed, Cut::Hung, Cut::Unplugged]
                .iter()
                .cycle()
                .take(19)
            {
                account.parts(500);
                account.cut(*cut);
            }
            account.parts(500);
            account.close();
        });
    }
}
