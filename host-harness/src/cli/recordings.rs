//! Recordings on disk, one after the other, each error with its file's name.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use meshspan::traffic::{Exchange, jsonl::JsonLines};

use super::error::CliError;

/// Every exchange of `files`, in order.
///
/// # Errors
/// The first file that cannot be read, or line that is no exchange.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Exchange>, CliError> {
    let mut exchanges = Vec::new();
    for path in files {
        let file = File::open(path).map_err(|error| CliError::read(path, &error))?;
        for exchange in JsonLines::new(BufReader::new(file)) {
            exchanges.push(exchange.map_err(|error| bad_line(path, &error.to_string()))?);
        }
    }
    Ok(exchanges)
}

fn bad_line(path: &Path, problem: &str) -> CliError {
    CliError::bad_configuration(format!("{}: {problem}", path.display()))
        .help("`meshspan schema exchange` prints what a line may hold")
}
