//! The arguments as typed.

mod check;
mod doctor;
mod otlp;
mod replay;
mod traffic;
mod view;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use meshspan::vm::{FailurePolicy, HostProfile, Lifecycle};

use super::cache::CacheArgs;
use super::collect::CollectArgs;
use super::import::ImportArgs;
use super::mesh::MeshArgs;
use super::proxy::ProxyArgs;

pub(crate) use check::{CheckArgs, CompletionsArgs};
pub(crate) use doctor::DoctorArgs;
pub(crate) use otlp::OtlpArgs;
pub(crate) use replay::{ReplayArgs, Show};
pub(crate) use traffic::{ConvertArgs, RedactArgs, TrafficArgs};
pub(crate) use view::{DemoServe, Listen, ViewArgs};

/// Distributed tracing for every proxy that runs WebAssembly, and a local host to see it work.
#[derive(Debug, Parser)]
#[command(name = "meshspan", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// When to colour; `auto` heeds NO_COLOR, CLICOLOR_FORCE and whether it is a terminal
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", help_heading = GLOBAL)]
    pub(crate) color: Color,
    /// No progress, no warnings
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub(crate) quiet: bool,
    /// Say more on stderr; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Above what every command takes.
const GLOBAL: &str = "Global options";

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 runtime error, 2 usage, 3 bad configuration, \
4 expectation not met, 5 collector unreachable, 130 interrupted after a flush";

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replay emojivoto's traffic through a mesh of sidecars and show the spans; nothing else needs to run
    Demo(DemoArgs),
    /// Replay recorded traffic through a mesh of sidecars, or through one proxy
    Replay(Box<ReplayArgs>),
    /// List and draw the traces of files or of the store, or serve them as a web page
    View(ViewArgs),
    /// Convert recorded traffic of any format to a recording in JSON Lines, without its secrets
    Convert(ConvertArgs),
    /// Run the filter, or any other, on live traffic: a reverse proxy in the place of Envoy
    Proxy(Box<ProxyArgs>),
    /// Take spans in through OTLP and keep them in a file: a collector for one machine
    Collect(Box<CollectArgs>),
    /// Put the spans of files into the store
    Import(ImportArgs),
    /// Run local applications as a mesh: a sidecar in front of each, one for each call, ports assigned
    Mesh(Box<MeshArgs>),
    /// Write the WebAssembly filter that this program carries, as a file or an image, and its SHA-256 to stdout
    Filter(FilterArgs),
    /// Find out why there are no spans: in a recording, a running proxy, a viewer
    Doctor(Box<DoctorArgs>),
    /// Ask the filter what it thinks of a plugin configuration
    Check(CheckArgs),
    /// Print a JSON Schema
    Schema(SchemaArgs),
    /// Print what a shell needs to complete these commands
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Which headers the applications use: `b3` as emojivoto's code does, `w3c` for traceparent everywhere
    #[arg(long, value_enum, default_value_t = Recording::B3)]
    pub(crate) recording: Recording,
    #[command(flatten)]
    pub(crate) serve: DemoServe,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Emojivoto's two variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recording {
    B3,
    W3c,
}

/// What every replay takes.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// Write every span to FILE as OTLP JSON Lines; it replaces no file of another kind
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) otlp: OtlpArgs,
    /// Leave the recorded times; without it, spans are exported and saved as if the replay ended just now
    #[arg(long)]
    pub(crate) keep_times: bool,
    /// Same number, same ids [default: another one each run]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The proxy to behave as; nginx has no gRPC calls, no trailers and no direction, and the topology's
    /// plugin configuration is changed for it: OTLP/HTTP to 127.0.0.1:4318, the direction written down
    #[arg(long, value_enum, default_value_t = Profile::Envoy, value_name = "PROXY")]
    pub(crate) host_profile: Profile,
    /// In which order a stream's end is told to the filter; nginx has only the specification's
    #[arg(long, value_enum, default_value_t = LifecycleOrder::Envoy, value_name = "ORDER")]
    pub(crate) lifecycle: LifecycleOrder,
    /// What becomes of traffic when the filter fails
    #[arg(long, value_enum, default_value_t = OnFailure::Reload, value_name = "POLICY")]
    pub(crate) on_failure: OnFailure,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// Proxies that the host behaves as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Envoy 1.40
    Envoy,
    /// nginx with ngx_wasm_module
    Nginx,
}

/// Orders of a stream's last callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LifecycleOrder {
    /// log, done, delete
    Envoy,
    /// done, log, delete, as the proxy-wasm specification has it
    Specification,
}

impl RunArgs {
    pub(crate) fn profile(&self) -> HostProfile {
        match self.host_profile {
            Profile::Envoy => HostProfile::Envoy,
            Profile::Nginx => HostProfile::Nginx,
        }
    }

    pub(crate) fn lifecycle(&self) -> Lifecycle {
        match self.lifecycle {
            LifecycleOrder::Envoy => Lifecycle::Envoy,
            LifecycleOrder::Specification => Lifecycle::Specification,
        }
    }
}

/// What becomes of traffic when the filter fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// It goes on without the filter; `proxy` starts that anew after a second or more, a replay does not
    Open,
    /// It gets a 503
    Closed,
    /// It gets a 503 until the filter is started anew, which is tried after a second
    Reload,
}

impl From<OnFailure> for FailurePolicy {
    fn from(policy: OnFailure) -> Self {
        match policy {
            OnFailure::Open => Self::FailOpen,
            OnFailure::Closed => Self::FailClosed,
            OnFailure::Reload => Self::RELOAD,
        }
    }
}

/// How to print the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct FilterArgs {
    /// Where to write it; it replaces no file that is no WebAssembly
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where to lay it out as an OCI image, for Istio and Envoy Gateway; the image's digest is printed
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) oci: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of what
    #[arg(value_enum)]
    pub(crate) of: Schema,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schema {
    /// The filter's plugin configuration
    Config,
    /// One line of a recording
    Exchange,
    /// A mesh
    Topology,
    /// A mesh to run, for `meshspan mesh`
    Mesh,
    /// What `-o json` prints
    Summary,
    /// What `replay --baseline -o json` prints
    Comparison,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn usage_errors_are_found() {
        for (arguments, expected) in [
            (&["meshspan"][..], ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
            (&["meshspan", "demo", "--otlp-protocol", "http/xml"], ErrorKind::ValueValidation),
            (&["meshspan", "demo", "--recording", "b4"], ErrorKind::InvalidValue),
            (&["meshspan", "demo", "--host-profile", "caddy"], ErrorKind::InvalidValue),
            (&["meshspan", "demo", "-q", "-v"], ErrorKind::ArgumentConflict),
            (
                &["meshspan", "replay", "x", "--topology", "t", "--direction", "inbound"],
                ErrorKind::ArgumentConflict,
            ),
            (&["meshspan", "replay", "x", "--speed", "0"], ErrorKind::ValueValidation),
            (&["meshspan", "replay", "x", "--shard", "2/2"], ErrorKind::ValueValidation),
            (&["meshspan", "replay", "x", "--workers", "0"], ErrorKind::ValueValidation),
            (&["meshspan", "replay", "x", "--what-if", "1.5"], ErrorKind::ValueValidation),
            (&["meshspan", "replay", "x", "--answer", "auth"], ErrorKind::ValueValidation),
            (&["meshspan", "replay", "--topology", "x"], ErrorKind::MissingRequiredArgument),
        ] {
            assert_eq!(Cli::try_parse_from(arguments).unwrap_err().kind(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn what_every_command_takes_stands_together() {
        let mut program = Cli::command();
        program.build();
        for command in program.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let help = command.render_long_help().to_string();
            let (own, global) = help.split_once("\nGlobal options:\n").unwrap();
            for flag in ["--color <WHEN>", "--quiet", "--verbose"] {
                assert!(global.contains(flag) && !own.contains(flag), "{flag} of {}", command.get_name());
            }
        }
    }

    #[test]
    fn flags_stand_before_and_behind_the_subcommand() {
        for arguments in [["meshspan", "--color", "never", "demo"], ["meshspan", "demo", "--color", "never"]]
        {
            assert_eq!(Cli::try_parse_from(arguments).unwrap().color, Color::Never);
        }
    }
}
