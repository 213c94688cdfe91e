//! `meshspan check`: what the filter itself says of a plugin configuration.

use meshspan::vm::{LogLevel, PluginOptions};

use super::{args::CheckArgs, error::CliError, print, replay::clusters, run::SCHEMA, wasm::Wasm};

/// Starts the filter with the configuration; what it warns of is printed, what it refuses is an error.
pub(crate) fn check(args: &CheckArgs) -> Result<(), CliError> {
    let configuration = std::fs::read(&args.file).map_err(|error| CliError::read(&args.file, &error))?;
    let filter = args.cache.filter(&Wasm::read(args.filter.as_deref())?)?;
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
