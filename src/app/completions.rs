//! `taktgate completions`: what a shell completes.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Outcome};

#[derive(Args)]
#[command(after_help = "\
Examples:
  taktgate completions bash > /etc/bash_completion.d/taktgate
  taktgate completions zsh > ~/.zfunc/_taktgate")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "taktgate", &mut script);
    super::print::say(String::from_utf8(script)?.trim_end());
    Ok(Outcome::Good)
}
