//! `meshspan check`: what the filter itself says of a plugin configuration.

use meshspan::{
    filter_wasm,
    vm::{LogLevel, PluginOptions},
};

use super::{args::CheckArgs, error::CliError, print, replay::clusters};

/// Starts the filter with the configuration; what it warns of is printed, what it refuses is an error.
pub(crate) fn check(args: &CheckArgs) -> Result<(), CliError> {
    let configuration = std::fs::read(&args.file).map_err(|error| CliError::read(&args.file, &error))?;
    let wasm = match &args.filter {
        Some(path) => std::fs::read(path).map_err(|error| CliError::read(path, &error))?,
        None => filter_wasm().to_vec(),
    };
    let filter = args.cache.filter(&wasm)?;
    let clusters = clusters(serde_json::from_slice(&configuration).ok().as_ref());
    let environment = args.env.clone();
    let options = PluginOptions { configuration, environment, clusters, ..PluginOptions::default() };
    let file = args.file.display();
    let mut vm = filter
        .start(options)
        .map_err(|error| CliError::bad_configuration(format!("{file}: {error}")).help(SCHEMA))?;
    let logs = vm.take_logs().into_iter().filter(|line| line.level >= LogLevel::Warn);
    let warnings: String = logs.map(|line| format!("{file}: {}\n", line.message)).collect();
    print(&format!("{warnings}{file}: accepted\n"))
}

const SCHEMA: &str = "`meshspan schema config` prints what this program's own filter takes";
