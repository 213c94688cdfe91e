//! The arguments of `meshspan collect` as typed, and what they mean.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use meshspan::forward::{Destination, DestinationError};
use meshspan::receive::{GRPC_PORT, HTTP_PORT, METRICS_PORT, Token};
use meshspan::serve::{BasePath, DEFAULT_PORT};
use meshspan::tls::{ANY_HTTP, Acceptor, ClientRules, Identity, ServerFiles};

use crate::cli::args::Output;
use crate::cli::clock;
use crate::cli::error::CliError;
use crate::cli::stored::StoreArgs;
use crate::cli::values::{address, ip, shown, size};

/// The environment's variable with the token.
const TOKEN: &str = "MESHSPAN_TOKEN";

/// The least that a request may have.
const LEAST_REQUEST_BYTES: u64 = 1 << 10;

#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// The address on which spans are received; another than loopback needs a token, client certificates or
    /// --insecure
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = ip)]
    pub(super) listen: IpAddr,
    /// The port of OTLP over gRPC; 0 is any free one
    #[arg(long, value_name = "PORT", default_value_t = GRPC_PORT)]
    pub(super) grpc_port: u16,
    /// The port of OTLP over HTTP; 0 is any free one
    #[arg(long, value_name = "PORT", default_value_t = HTTP_PORT)]
    pub(super) http_port: u16,
    /// Where the page and Jaeger's query API are served; they have no log-in, so another address than loopback
    /// needs --insecure
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(DEFAULT_PORT), value_parser = address)]
    pub(super) page: SocketAddr,
    /// Where /metrics, /healthz and /readyz are; they tell numbers alone, to everybody who asks
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = loopback(METRICS_PORT), value_parser = address)]
    pub(super) metrics: SocketAddr,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Send all that is received on to this collector; may be given several times. Settings follow the URL:
    /// http://otel:4318,compression=gzip,header.x-tenant=a; name, protocol, compression, timeout, ca, cert, key,
    /// identity, header.NAME, or Linkerd's serviceAccountName, namespace, trustDomain
    #[arg(long, value_name = "URL[,KEY=VALUE…]", value_parser = destination)]
    pub(super) forward: Vec<Destination>,
    /// Only receive and send on, as an agent or a gateway: no page, no search, and spans go once every --forward has
    /// settled them. Until then they wait in memory or, with --store FILE, in the file
    #[arg(long, requires = "forward", conflicts_with_all = ["page", "base_path", "jaeger_ui_assets"])]
    pub(super) forward_only: bool,
    /// The path below which an ingress shows the page and Jaeger's query API, such as /traces
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(super) base_path: BasePath,
    /// Serve Jaeger's own page from this folder instead of ours
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) jaeger_ui_assets: Option<PathBuf>,
    /// Write all that is received to FILE, too, as OTLP JSON Lines, behind those that are there
    #[arg(long, value_name = "FILE")]
    pub(super) save: Option<PathBuf>,
    /// Take spans only from those who bear the token in this file: `authorization: Bearer …`
    /// [default: the one in MESHSPAN_TOKEN, if any]
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Speak TLS, with this certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// Take spans only from those with a certificate of these authorities, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) client_ca: Option<PathBuf>,
    /// And of those only from this one: a DNS name, a SPIFFE id, or serviceAccountName=…,namespace=… as Linkerd
    /// has it; may be given several times
    #[arg(long = "client-identity", value_name = "NAME", requires = "client_ca")]
    pub(super) client_identities: Vec<Identity>,
    /// Take spans from everybody who can reach the address, and show the page to them
    #[arg(long)]
    pub(super) insecure: bool,
    /// The largest request that is taken, unpacked
    #[arg(long, value_name = "SIZE", default_value = "20MiB", value_parser = size::<usize>)]
    pub(super) max_request_bytes: usize,
    /// The most memory for requests that are under way; more are asked to come again
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = size::<usize>)]
    pub(super) max_memory_bytes: usize,
    /// How long requests under way, and then what is yet to be sent, may take after Ctrl-C or SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(super) drain_timeout: u64,
    /// How to print what was done, at the end
    #[arg(short, long, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    pub(super) output: Output,
}

fn destination(text: &str) -> Result<Destination, DestinationError> {
    Destination::parse(text, clock::now)
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl CollectArgs {
    pub(super) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_timeout)
    }

    /// The token of the file, else of the environment.
    pub(super) fn token(&self, variable: Option<String>) -> Result<Option<Token>, CliError> {
        let (text, place) = match (&self.token_file, variable) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).map_err(|error| CliError::read(path, &error))?;
                (text, path.display().to_string())
            }
            (None, Some(text)) => (text, TOKEN.to_owned()),
            (None, None) => return Ok(None),
        };
        let token = Token::new(&text);
        token.map(Some).map_err(|error| CliError::bad_configuration(format!("{place}: {error}")))
    }

    pub(super) fn tls(&self) -> Result<Option<Arc<Acceptor>>, CliError> {
        let Some((certificate, key)) = self.tls_cert.clone().zip(self.tls_key.clone()) else {
            return Ok(None);
        };
        let clients = self
            .client_ca
            .clone()
            .map(|roots| ClientRules { roots, allowed: self.client_identities.clone() });
        let acceptor = Acceptor::new(ServerFiles { certificate, key, clients }, &ANY_HTTP);
        acceptor
            .map(|acceptor| Some(Arc::new(acceptor)))
            .map_err(|error| CliError::bad_configuration(error.to_string()))
    }

    /// Their names, by which the store knows how far each has come.
    pub(super) fn destinations(&self) -> Vec<String> {
        self.forward.iter().map(|destination| destination.name.clone()).collect()
    }

    /// Each bound leaves room for what the next one lets in: what is acknowledged is not to go at once.
    pub(super) fn check_bounds(&self) -> Result<(), CliError> {
        let request = self.max_request_bytes as u64;
        let of_request = format!("one request may have {} (--max-request-bytes)", shown(request));
        for (flag, bytes, least) in [
            ("--max-request-bytes", request, LEAST_REQUEST_BYTES),
            ("--max-memory-bytes", self.max_memory_bytes as u64, request.saturating_mul(2)),
            ("--max-bytes", self.store.max_bytes(), request.saturating_mul(2)),
        ] {
            if bytes < least {
                let message = format!("{flag} is {}, expected at least {}", shown(bytes), shown(least));
                return Err(CliError::bad_configuration(message).help(match flag {
                    "--max-request-bytes" => "senders' batches have some hundred kilobytes".to_owned(),
                    _ => format!("{of_request}, and is to leave room for another"),
                }));
            }
        }
        Ok(())
    }

    /// Nobody is let in whom the user has not thought of.
    pub(super) fn check_access(&self, has_token: bool) -> Result<(), CliError> {
        let is_guarded = has_token || self.client_ca.is_some();
        if !self.listen.is_loopback() && !is_guarded && !self.insecure {
            let message = format!(
                "--listen {} lets everybody in who can reach it, and nobody is asked who they are",
                self.listen
            );
            return Err(CliError::bad_configuration(message).help(
                "give --token-file FILE, or --tls-cert, --tls-key and --client-ca, or say --insecure",
            ));
        }
        if !self.page.ip().is_loopback() && !self.insecure {
            let message = format!(
                "--page {} shows the traces to everybody who can reach it: the page has no log-in",
                self.page
            );
            return Err(CliError::bad_configuration(message).help(
                "leave it on loopback and reach it through a tunnel, such as ssh -L, or say --insecure",
            ));
        }
        if has_token && self.tls_cert.is_none() && !self.listen.is_loopback() {
            tracing::warn!("the token is sent in plain text: --tls-cert and --tls-key hide it");
        }
        Ok(())
    }
}

/// The token in the environment.
pub(super) fn token_variable() -> Option<String> {
    std::env::var(TOKEN).ok().filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use meshspan::receive::ReceiverOptions;

    use super::*;
    use crate::cli::error::Exit;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        collect: CollectArgs,
    }

    fn typed(arguments: &[&str]) -> CollectArgs {
        Typed::try_parse_from([&["x"], arguments].concat()).unwrap().collect
    }

    #[test]
    fn nobody_is_let_in_by_mistake() {
        for (arguments, has_token, expected, reason) in [
            (&[][..], false, true, "loopback"),
            (&["--listen", "::1"], false, true, "loopback of version 6"),
            (&["--listen", "0.0.0.0"], false, false, "everybody"),
            (&["--listen", "::"], false, false, "everybody, of version 6"),
            (&["--listen", "10.0.0.1"], false, false, "a network"),
            (&["--listen", "0.0.0.0"], true, true, "with a token"),
            (&["--listen", "0.0.0.0", "--tls-cert", "c", "--tls-key", "k"], false, false, "TLS asks nobody"),
            (
                &["--listen", "0.0.0.0", "--tls-cert", "c", "--tls-key", "k", "--client-ca", "r"],
                false,
                true,
                "certificates",
            ),
            (&["--listen", "0.0.0.0", "--insecure"], false, true, "said so"),
            (&["--page", "0.0.0.0:1"], true, false, "the page knows no token"),
            (&["--page", "0.0.0.0:1", "--insecure"], false, true, "said so"),
            (&["--metrics", "0.0.0.0:1"], false, true, "numbers alone"),
        ] {
            let checked = typed(arguments).check_access(has_token);
            assert_eq!(checked.is_ok(), expected, "{reason}");
            if let Err(error) = checked {
                assert_eq!(error.exit, Exit::BadConfiguration);
                assert!(error.help.unwrap().contains("--insecure"), "{reason}");
            }
        }
    }

    #[test]
    fn bounds_leave_room_for_requests() {
        let defaults = typed(&[]);
        let of_library = ReceiverOptions::default();
        assert_eq!(
            (defaults.max_request_bytes, defaults.max_memory_bytes),
            (of_library.max_request_bytes, of_library.max_memory_bytes)
        );
        for (arguments, expected) in [
            (&[][..], None),
            (&["--max-bytes", "40MiB"], None),
            (&["--max-bytes", "1MiB", "--max-request-bytes", "512KiB"], None),
            (&["--max-bytes", "39MiB"], Some("--max-bytes is 39 MiB, expected at least 40 MiB")),
            (&["--max-request-bytes", "0"], Some("--max-request-bytes is 0 B, expected at least 1 KiB")),
            (
                &["--max-memory-bytes", "20MiB"],
                Some("--max-memory-bytes is 20 MiB, expected at least 40 MiB"),
            ),
        ] {
            let found = typed(arguments).check_bounds().err().map(|error| error.message);
            assert_eq!(found.as_deref(), expected, "{arguments:?}");
        }
    }

    #[test]
    fn who_only_forwards_needs_somebody_to_forward_to_and_has_no_page() {
        let forward = ["--forward-only", "--forward", "http://otel:4318"];
        assert!(typed(&forward).forward_only);
        assert!(typed(&[&forward[..], &["--store", "a.db"]].concat()).forward_only);
        for (arguments, expected) in [
            (&["--forward-only"][..], "required arguments were not provided:\n  --forward <URL"),
            (
                &[&forward[..], &["--page", "127.0.0.1:0"]].concat(),
                "cannot be used with '--page <ADDRESS:PORT>'",
            ),
            (
                &[&forward[..], &["--jaeger-ui-assets", "ui"]].concat(),
                "cannot be used with '--jaeger-ui-assets",
            ),
        ] {
            let error = Typed::try_parse_from([&["x"], arguments].concat()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_file_s_token_comes_before_the_environment_s() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let token = |text: &str, variable: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            typed(&["--token-file", file.to_str().unwrap()]).token(variable.map(str::to_owned))
        };
        assert!(token("a\n", Some("b")).unwrap() == Some(Token::new("a").unwrap()));
        let error = token("\n", None).unwrap_err();
        assert!(error.message.contains("token: the token is empty"), "{error}");
        let of_environment = typed(&[]).token(Some("b".to_owned())).unwrap();
        assert!(of_environment == Some(Token::new("b").unwrap()));
        assert!(typed(&[]).token(None).unwrap().is_none());
        let error = typed(&["--token-file", "/nowhere"]).token(None).unwrap_err();
        assert!(error.message.contains("cannot read /nowhere"), "{error}");
    }
}
