//! Exports over mutual TLS to collectors behind a real Envoy, which asks for a certificate and lets one name in.

use std::process::Command;

use meshspan_tests::authority::{Authority, Pair};
use meshspan_tests::client::Request;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::live::LiveProxy;
use meshspan_tests::oteltap::Oteltap;
use meshspan_tests::process::free_port;
use meshspan_tests::rotel::Rotel;
use meshspan_tests::spans::Span;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::{demo, tools};

const NAME: &str = "collector.tracing.serviceaccount.identity.linkerd.cluster.local";
const IDENTITY: &str = "serviceAccountName=collector,namespace=tracing";
const REFUSED: &str = "nothing was sent: the peer refused: ";
const CLIENT: &str = "spiffe://cluster.local/ns/emojivoto/sa/web";

/// TLS in front of a collector.
struct Front {
    authority: Authority,
    _envoy: Envoy,
    endpoint: String,
}

impl Front {
    /// In front of a port, for one version of HTTP.
    fn before(collector: u16, version: &str) -> Front {
        let (authority, port) = (Authority::new(), free_port());
        let own = authority.sign("server", &[NAME]);
        let envoy = Config::read(&tools::repository().join("tests/envoy/mutual-tls.yaml"))
            .port(4318, collector)
            .port(4317, port)
            .replace("[h2, http/1.1]", &format!("[{version}]"))
            .replace("SERVER_CERTIFICATE", &own.certificate)
            .replace("SERVER_KEY", &own.key)
            .replace("CLIENT_AUTHORITIES", &authority.roots())
            .replace("CLIENT_IDENTITY", CLIENT)
            .start();
        // Its name is not the one of the certificate, which is a service account's.
        Front { authority, _envoy: envoy, endpoint: format!("https://127.0.0.1:{port}") }
    }

    fn client(&self) -> Pair {
        self.authority.sign("client", &[CLIENT])
    }

    fn arguments(&self, protocol: &str, own: &Pair, identity: &str) -> Vec<String> {
        let roots = self.authority.roots();
        let arguments = [
            ["--otlp-endpoint", &self.endpoint],
            ["--otlp-protocol", protocol],
            ["--otlp-ca", &roots],
            ["--otlp-cert", &own.certificate],
            ["--otlp-key", &own.key],
            ["--otlp-identity", identity],
        ];
        arguments.as_flattened().iter().map(|argument| (*argument).to_owned()).collect()
    }

    fn demo(&self, protocol: &str) -> Vec<Span> {
        let arguments = self.arguments(protocol, &self.client(), IDENTITY);
        demo::run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn every_span_of_the_demo_arrives_over_mutual_tls_in_each_protocol() {
    let rotel = Rotel::start();
    let saved = Front::before(rotel.grpc_port(), "h2").demo("grpc");
    assert_same_spans(rotel.wait_for(saved.len()), saved);

    let rotel = Rotel::start();
    let saved = Front::before(rotel.http_port(), "http/1.1").demo("http/json");
    assert_same_spans(rotel.wait_for(saved.len()), saved);

    let oteltap = Oteltap::start();
    let saved = Front::before(oteltap.port(), "http/1.1").demo("http/protobuf");
    assert_same_spans(oteltap.wait_for(saved.len()), saved);
}

#[test]
fn the_wrong_one_gets_nothing_and_the_error_says_who_it_was() {
    let rotel = Rotel::start();
    let front = Front::before(rotel.grpc_port(), "h2");
    let stranger = front.authority.sign("stranger", &["spiffe://cluster.local/ns/emojivoto/sa/emoji"]);
    for (own, identity, expected) in [
        (
            front.client(),
            "spiffe://cluster.local/ns/tracing/sa/collector",
            "the peer presented collector.tracing.serviceaccount.identity.linkerd.cluster.local, expected \
             spiffe://cluster.local/ns/tracing/sa/collector",
        ),
        (stranger, IDENTITY, REFUSED),
        (Authority::new().sign("unknown", &[CLIENT]), IDENTITY, REFUSED),
    ] {
        let mut command = Command::new(tools::meshspan());
        command.args(["demo", "--no-serve"]).args(front.arguments("grpc", &own, identity));
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{stderr}");
        // Envoy hangs up behind its alert, and the one may overtake the other.
        let is_cut_off = expected == REFUSED && stderr.contains("believes the certificate that it is shown");
        assert!(stderr.contains(expected) || is_cut_off, "{stderr} lacks {expected}");
    }
    assert_eq!(rotel.spans(), [], "nothing arrived");
}

#[test]
fn a_live_proxy_exports_over_mutual_tls_too() {
    let (rotel, upstream) = (Rotel::start(), Upstream::start());
    let front = Front::before(rotel.grpc_port(), "h2");
    let arguments = front.arguments("grpc", &front.client(), IDENTITY);
    let proxy = LiveProxy::before(upstream.port(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    assert_eq!(Request::get("/").header("traceparent", &traceparent).send_http1(proxy.port()).status, 200);
    assert_eq!(rotel.wait_for_trace(trace, 2).len(), 2);
    let (code, output) = proxy.end();
    assert_eq!(code, Some(0), "{output}");
}

fn assert_same_spans(mut received: Vec<Span>, mut saved: Vec<Span>) {
    assert!(!saved.is_empty(), "the demo saved spans");
    received.sort();
    saved.sort();
    assert_eq!(received, saved);
}
