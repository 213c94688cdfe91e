//! `meshspan doctor`: why are there no spans? Gathers what is to be seen, prints what it means.

mod fetch;
mod live;
mod recording;
mod stored;

use std::time::Duration;

use meshspan::doctor::{Diagnosis, Evidence, text};
use tokio::runtime::Runtime;

use super::{
    args::{DoctorArgs, Output},
    error::{CliError, Exit},
    output, print,
};

/// Looks at everything that was named; fails if spans end somewhere.
pub(crate) fn doctor(args: &DoctorArgs, quiet: bool) -> Result<(), CliError> {
    let mut evidence = Evidence::default();
    if !args.files.is_empty() {
        recording::examine(args, &mut evidence, quiet)?;
    }
    let runtime =
        Runtime::new().map_err(|error| CliError::runtime(format!("cannot start threads: {error}")))?;
    runtime.block_on(live::examine(args, &mut evidence))?;
    let diagnosis = Diagnosis::of(&evidence);
    show(&diagnosis, args.output)?;
    match diagnosis.first_break() {
        None => Ok(()),
        Some(step) => Err(CliError::new(
            Exit::ExpectationNotMet,
            format!("spans end at {:?}: {}", step.stage.as_str(), step.seen),
        )),
    }
}

fn show(diagnosis: &Diagnosis, output: Output) -> Result<(), CliError> {
    match output {
        Output::Table => print(&text(diagnosis)),
        Output::Json => output::json(diagnosis),
    }
}

/// How long there is to wait.
fn patience(args: &DoctorArgs) -> Duration {
    Duration::from_secs(args.wait)
}
