//! `meshspan convert`: recorded traffic in any format → our own, without its secrets.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use meshspan::counted::counted;
use meshspan::traffic::{Input, Tally, TrafficError, open_all};

use super::{
    args::ConvertArgs,
    error::CliError,
    save::{self, Content, Lines, Named},
};

/// Writes every exchange, and to stderr what was left out.
pub(crate) fn convert(args: &ConvertArgs, quiet: bool) -> Result<(), CliError> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("stdout"));
    let failed = |error: io::Error| CliError::write(&out, &error);
    let mut entries = open_all(args.files.clone(), args.traffic.options()).peekable();
    // What is in the output's place stays if there is nothing to read.
    if let Some(Err(error)) = entries.next_if(Result::is_err) {
        return Err(unreadable(error));
    }
    let mut writer: Box<dyn Write> = match &args.out {
        Some(path) => Box::new(BufWriter::new(open(path, &args.files)?)),
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let redactor = args.redact.redactor();
    let (mut tally, mut redacted) = (Tally::default(), 0);
    for entry in entries {
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

/// The file to write to, which is none of those that are read.
fn open(path: &Path, inputs: &[Input]) -> Result<File, CliError> {
    let is_read = |input: &Input| matches!(input, Input::File(file) if save::are_one(file, path));
    if inputs.iter().any(is_read) {
        let message = format!("--out {} is a file that is read", path.display());
        return Err(CliError::bad_configuration(message).help("name another file"));
    }
    save::open(Named { flag: "--out", path }, Content::Recording, Lines::Go)
}

/// Traffic that cannot be read.
pub(crate) fn unreadable(error: TrafficError) -> CliError {
    match error {
        TrafficError::Open { .. } | TrafficError::Read { .. } => CliError::runtime(error.to_string()),
        error => CliError::bad_configuration(error.to_string()),
    }
}
