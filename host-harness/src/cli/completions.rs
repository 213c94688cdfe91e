//! `meshspan completions`: what a shell needs to complete our commands.

use clap::CommandFactory;

use super::{
    args::{Cli, CompletionsArgs},
    error::CliError,
    print,
};

/// Prints the script.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "meshspan", &mut script);
    print(&String::from_utf8_lossy(&script))
}
