//! Arguments about recorded traffic: where it comes from, how it is read, what is written.

use std::path::PathBuf;

use clap::Args;
use meshspan::traffic::{FieldMap, Format, Input, Options, Redactor};

/// What everything takes that reads recorded traffic.
#[derive(Debug, Args)]
pub(crate) struct TrafficArgs {
    /// The format of every FILE [default: what its first bytes show, else its name]
    #[arg(long, value_name = "FORMAT", long_help = format_help())]
    pub(crate) format: Option<Format>,
    /// The name of every source, in formats that do not name it [default: client]
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// The name of every destination, in formats that do not name it [default: the authority's host]
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<String>,
    /// Where in an access log's lines everything is, where it is not as in Envoy's and Istio's formats:
    /// `method=http.verb,status=code,request.header.x-tenant=tenant`
    #[arg(long, value_name = "FIELD=KEY,…", default_value = "")]
    pub(crate) access_log_fields: FieldMap,
    /// Fail at the first entry that cannot be used, rather than skip and count it
    #[arg(long)]
    pub(crate) strict: bool,
}

fn format_help() -> String {
    format!(
        "The format of every FILE [default: what its first bytes show, else its name]\n\nOne of: {}",
        Format::names()
    )
}

impl TrafficArgs {
    pub(crate) fn options(&self) -> Options {
        Options {
            format: self.format,
            source: self.source.clone(),
            destination: self.destination.clone(),
            access_log_fields: self.access_log_fields.clone(),
            strict: self.strict,
            ..Options::default()
        }
    }
}

/// Which secrets are kept out of what is written.
#[derive(Debug, Args)]
pub(crate) struct RedactArgs {
    /// Write credentials, cookies and keys as they are
    #[arg(long)]
    pub(crate) keep_secrets: bool,
    /// Take the value of this header or query parameter out, too; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) redact: Vec<String>,
}

impl RedactArgs {
    pub(crate) fn redactor(&self) -> Redactor {
        let mut redactor = if self.keep_secrets { Redactor::none() } else { Redactor::default() };
        self.redact.iter().for_each(|name| redactor.add(name));
        redactor
    }
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// Recorded traffic in any format, gzip or not; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Input::from(text)))]
    pub(crate) files: Vec<Input>,
    /// Where to write the recording; it replaces no file of another kind [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    #[command(flatten)]
    pub(crate) redact: RedactArgs,
}
