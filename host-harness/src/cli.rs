//! The command line: arguments as typed → what the library does → results on stdout, all else on stderr.
//! Exit codes: 0 ok, 1 runtime, 2 usage, 3 bad configuration, 4 expectation not met, 5 collector
//! unreachable, 130 interrupted after a flush.

mod args;
mod baseline;
mod cache;
mod check;
mod clock;
mod collect;
mod collector;
mod completions;
mod convert;
mod dates;
mod demo;
mod doctor;
mod error;
mod explain;
mod export;
mod filter;
mod folders;
mod import;
mod input;
mod interrupt;
mod mesh;
mod output;
mod progress;
mod proxy;
mod recording;
mod replay;
mod run;
mod save;
mod schema;
mod spans;
mod stored;
mod values;
mod view;
mod viewer;
mod wasm;
mod what_if;

use std::{io::Write, process::ExitCode};

use anstyle::{AnsiColor, Style};
use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Color, Command};
use error::CliError;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();

/// Runs the command; the exit code.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    set_color(cli.color);
    set_log(cli.quiet, cli.verbose);
    let done = match cli.command {
        Command::View(args) => view::view(&args, cli.quiet),
        Command::Convert(args) => convert::convert(&args, cli.quiet),
        Command::Demo(args) => demo::demo(&args, cli.quiet),
        Command::Doctor(args) => doctor::doctor(&args, cli.quiet),
        Command::Replay(args) => replay::replay(&args, cli.quiet),
        Command::Proxy(args) => proxy::run(&args),
        Command::Collect(args) => collect::run(&args),
        Command::Import(args) => import::import(&args, cli.quiet),
        Command::Mesh(args) => mesh::run(&args),
        Command::Filter(args) => filter::write(&args),
        Command::Check(args) => check::check(&args),
        Command::Schema(args) => schema::print(args.of),
        Command::Completions(args) => completions::completions(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit.code())
        }
    }
}

/// Prints what went wrong and what to do about it; if stderr is gone there is nobody to tell.
fn report(error: &CliError) {
    let mut stderr = anstream::stderr();
    let _ = writeln!(stderr, "{ERROR}error:{ERROR:#} {error}");
    if let Some(help) = &error.help {
        let _ = writeln!(stderr, "{HELP}help:{HELP:#} {help}");
    }
}

fn set_color(color: Color) {
    match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

fn set_log(quiet: bool, verbose: u8) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("meshspan={level}")));
    let ansi = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .without_time()
        .init();
}

/// Writes a result to stdout. That the reader went away is no error.
///
/// # Errors
/// Whatever else is wrong with stdout.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = anstream::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::runtime(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
