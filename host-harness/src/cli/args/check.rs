//! The arguments of `meshspan check` and `meshspan completions`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::cache::CacheArgs;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The plugin's configuration
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Another filter than the one that this program carries
    #[arg(long, value_name = "WASM")]
    pub(crate) filter: Option<PathBuf>,
    /// A variable of the environment that the filter finds; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let variable = parts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    variable.ok_or_else(|| "expected NAME=VALUE, such as POD_NAME=web-0".to_owned())
}
