//! `meshspan convert`: recorded traffic in any format → our own, without its secrets.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use meshspan::counted::counted;
use meshspan::traffic::{Tally, TrafficError, open_all};

use super::{args::ConvertArgs, error::CliError};

/// Writes every exchange, and to stderr what was left out.
pub(crate) fn convert(args: &ConvertArgs, quiet: bool) -> Result<(), CliError> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("stdout"));
    let failed = |error: io::Error| CliError::write(&out, &error);
    let mut writer: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(failed)?)),
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let redactor = args.redact.redactor();
    let (mut tally, mut redacted) = (Tally::default(), 0);
    for entry in open_all(args.files.clone(), args.traffic.options()) {
        let Some(mut exchange) = tally.take(entry.map_err(unreadable)?) else { continue };
        redacted += redactor.redact(&mut exchange);
        let line = serde_json::to_string(&exchange)
            .map_err(|error| CliError::runtime(format!("cannot write an exchange: {error}")))?;
        match writeln!(writer, "{line}") {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(failed)?,
        }
    }
    writer.flush().map_err(failed)?;
    if !quiet {
        eprintln!("{tally}\n{} redacted", counted(redacted, "value"));
    }
    if tally.exchanges == 0 {
        return Err(CliError::bad_configuration("no entry could be used")
            .help("--format says which format it is, --strict what is wrong with the first entry"));
    }
    Ok(())
}

/// Traffic that cannot be read.
pub(crate) fn unreadable(error: TrafficError) -> CliError {
    match error {
        TrafficError::Open { .. } | TrafficError::Read { .. } => CliError::runtime(error.to_string()),
        error => CliError::bad_configuration(error.to_string()),
    }
}
