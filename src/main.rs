//! The `taktgate` command.

mod app;

use std::process::ExitCode;

fn main() -> ExitCode {
    app::main()
}
