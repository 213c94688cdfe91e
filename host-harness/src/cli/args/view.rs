//! What is shown of traces, and where.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use meshspan::serve::{BasePath, DEFAULT_PORT};

use super::super::stored::StorePlace;
use super::super::values::address;
use super::Output;

/// Where the page listens unless it is told.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT);

/// Where the page listens.
#[derive(Debug, Args)]
pub(crate) struct ListenArgs {
    /// Where the page listens, on loopback as it has no log-in; port 0 is any free one
    /// [default: 127.0.0.1:16686]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    listen: Option<SocketAddr>,
    /// Serve Jaeger's own page instead: the folder of its build, with index.html and static/
    #[arg(long, value_name = "DIR")]
    jaeger_ui_assets: Option<PathBuf>,
    /// The path below which an ingress shows the page, such as /traces
    #[arg(long, value_name = "PATH", default_value = "/")]
    base_path: BasePath,
}

/// Where to listen, whether the user said so, and what to show there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    pub(crate) is_asked_for: bool,
    pub(crate) jaeger_ui_assets: Option<PathBuf>,
    pub(crate) base_path: BasePath,
}

impl ListenArgs {
    pub(crate) fn listen(&self) -> Listen {
        Listen {
            address: self.listen.unwrap_or(DEFAULT_ADDRESS),
            is_asked_for: self.listen.is_some(),
            jaeger_ui_assets: self.jaeger_ui_assets.clone(),
            base_path: self.base_path.clone(),
        }
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = address(text)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!(
        "expected a loopback address, such as {DEFAULT_ADDRESS}: the page has no log-in; from elsewhere, reach it through \
         a tunnel, such as ssh -L {DEFAULT_PORT}:{DEFAULT_ADDRESS}"
    ))
}

/// Whether the demo ends with the page.
#[derive(Debug, Args)]
pub(crate) struct DemoServe {
    /// Serve the traces as a web page in the end, also where the output is no terminal
    #[arg(long)]
    serve: bool,
    /// Keep the spans in the store FILE, too
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// End without serving the page, as where the output is no terminal
    #[arg(long, conflicts_with = "serve")]
    no_serve: bool,
    #[command(flatten)]
    listen: ListenArgs,
}

impl DemoServe {
    pub(crate) fn is_wanted(&self) -> bool {
        self.serve || (!self.no_serve && std::io::stdout().is_terminal())
    }

    pub(crate) fn store(&self) -> Option<&Path> {
        self.store.as_deref()
    }

    pub(crate) fn listen(&self) -> Listen {
        self.listen.listen()
    }
}

#[derive(Debug, Args)]
pub(crate) struct ViewArgs {
    /// OTLP JSON, OTLP JSON Lines (as `--save` writes them) or Jaeger's JSON, gzip or not; `-` is
    /// standard input
    /// [default: what `meshspan collect` has in its store]
    #[arg(value_name = "FILE", conflicts_with = "store")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StorePlace,
    /// Draw this trace; an id may be cut, as long as it is the only one that begins so
    #[arg(long, value_name = "ID", conflicts_with = "serve")]
    pub(crate) trace: Option<String>,
    /// Only traces in which this service took part
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Only traces with a span of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
    /// Only traces with a span that has this attribute, or whose resource has it
    #[arg(long = "attribute", value_name = "KEY=VALUE")]
    pub(crate) attributes: Vec<String>,
    /// Only traces at least as long, such as 250us, 100ms or 1.5s
    #[arg(long, value_name = "DURATION")]
    pub(crate) min: Option<String>,
    /// Only traces at most as long; a unit is needed here, too
    #[arg(long, value_name = "DURATION")]
    pub(crate) max: Option<String>,
    /// Only traces with an error
    #[arg(long)]
    pub(crate) errors: bool,
    /// Only traces with a span whose parent is missing
    #[arg(long)]
    pub(crate) orphans: bool,
    /// How many traces to list, the newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// Serve all traces as a web page, and Jaeger's query API beside it
    #[arg(long)]
    pub(crate) serve: bool,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_listens_on_loopback_only() {
        assert_eq!(loopback("127.0.0.1:0").unwrap().port(), 0);
        assert!(loopback("[::1]:80").is_ok() && loopback("localhost:0").is_ok());
        assert!(loopback("0.0.0.0:16686").unwrap_err().contains("expected a loopback address"));
        assert!(loopback("16686").unwrap_err().starts_with("expected an address and a port"));
    }
}
