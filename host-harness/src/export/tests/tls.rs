//! Exports over TLS: each protocol, each fault.

use super::{grpc, http, *};
use crate::tls::{
    ClientFiles, ServerFiles,
    tests::{authority::Authority, front::front},
};

const NAME: &str = "collector.tracing.serviceaccount.identity.linkerd.cluster.local";
const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

/// The number of requests that a collector saw.
type Count = Box<dyn Fn() -> usize>;

/// A collector in plain text; where it listens.
async fn collector(protocol: Protocol) -> (String, Count) {
    if protocol == Protocol::Grpc {
        let (endpoint, collector) = grpc::serve(vec![grpc::ok()]).await;
        return (endpoint, Box::new(move || collector.requests.lock().unwrap().len()));
    }
    let (endpoint, server) = http::serve(&[http::OK]).await;
    (endpoint, Box::new(move || server.lock().unwrap().requests.len()))
}

/// A collector behind TLS; the port that it has there.
async fn secured(protocol: Protocol, files: ServerFiles) -> (u16, Count) {
    let (endpoint, count) = collector(protocol).await;
    let versions: &[&[u8]] = if protocol == Protocol::Grpc { &[b"h2"] } else { &[b"http/1.1"] };
    let address = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    (front(files, versions, address).await, count)
}

fn over_tls(port: u16, protocol: Protocol, files: ClientFiles) -> ExporterConfig {
    let mut config = config(&format!("https://localhost:{port}"), protocol);
    (config.tls, config.timeout) = (Some(files), Duration::from_secs(10));
    config
}

#[tokio::test]
async fn spans_arrive_over_mutual_tls_at_whom_they_are_meant_for() {
    let ours = Authority::new();
    for protocol in PROTOCOLS {
        let files = ours.server(ours.sign("server", &[NAME]), Some(&["spiffe://a/web"]));
        let (port, count) = secured(protocol, files).await;
        let own = ours.sign("client", &["spiffe://a/web"]);
        let report = export(over_tls(port, protocol, ours.client(Some(own), Some(NAME))), 3).await;
        assert_eq!((report.exported, report.retries), (3, 0), "{protocol:?}: {report:?}");
        assert_eq!(count(), 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_the_wrong_one_and_each_fault_is_named() {
    let (ours, theirs) = (Authority::new(), Authority::named("theirs"));
    let good = || ours.sign("server", &["localhost"]);
    for (server, client, expected) in [
        (
            ours.server(good(), None),
            ours.client(None, Some(NAME)),
            "nothing was sent: the peer presented localhost, expected collector.tracing.",
        ),
        (
            ours.server(ours.sign("server2", &["other.test"]), None),
            ours.client(None, None),
            "the peer presented other.test, expected localhost; check the identity",
        ),
        (
            ours.server(ours.sign_expired("expired", &["localhost"]), None),
            ours.client(None, None),
            "certificate expired: ",
        ),
        (
            theirs.server(theirs.sign("server", &["localhost"]), None),
            ours.client(None, None),
            "signed by nobody who is believed here; give the certificate of its authority",
        ),
        (
            ours.server(good(), Some(&[])),
            ours.client(None, None),
            "the peer refused: certificate_required; give a certificate and its key for mutual TLS",
        ),
        (
            ours.server(good(), Some(&["x.test"])),
            ours.client(Some(ours.sign("client", &["y.test"])), None),
            "the peer refused: certificate_unknown; check that the identity",
        ),
    ] {
        for protocol in PROTOCOLS {
            let (port, count) = secured(protocol, server.clone()).await;
            let report = export(over_tls(port, protocol, client.clone()), 3).await;
            assert_eq!(report.dropped, [("TLS failed".to_owned(), 3)].into(), "{protocol:?}: {report:?}");
            assert_eq!((report.retries, report.unreachable), (0, true), "nobody mends it meanwhile");
            let failure = report.failure.unwrap().to_string();
            assert!(failure.contains(expected), "{protocol:?}: {failure} lacks {expected}");
            assert!(failure.starts_with(&format!("https://localhost:{port}/")), "{failure}");
            assert_eq!(count(), 0, "nothing arrived");
        }
    }
}

#[tokio::test]
async fn plain_text_and_tls_do_not_understand_each_other() {
    let ours = Authority::new();
    for protocol in PROTOCOLS {
        let (endpoint, _) = collector(protocol).await;
        let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let mut config = over_tls(port, protocol, ours.client(None, None));
        config.timeout = Duration::from_millis(500);
        config.retry = RetryPolicy::once();
        let failure = export(config, 1).await.failure.unwrap().to_string();
        // The collector may as well wait for more of what it takes for plain text.
        let known =
            ["the peer does not speak TLS; check the port, or use http://", "and speaks TLS, and that it"];
        let silent = "did not answer within 500 ms";
        let is_known = known.iter().any(|known| failure.contains(known)) || failure.contains(silent);
        assert!(is_known, "{protocol:?}: {failure}");

        let (port, _) = secured(protocol, ours.server(ours.sign("server", &["localhost"]), None)).await;
        let plain =
            ExporterConfig { tls: None, ..self::config(&format!("http://localhost:{port}"), protocol) };
        let failure = export(plain, 1).await.failure.unwrap().to_string();
        assert!(failure.contains("and whether it speaks TLS"), "{protocol:?}: {failure}");
    }
}

#[tokio::test]
async fn files_that_are_not_there_are_named_before_anything_is_sent() {
    let files = ClientFiles { roots: Some("/no/such/ca.pem".into()), ..ClientFiles::default() };
    for protocol in PROTOCOLS {
        let error = Exporter::connect(over_tls(1, protocol, files.clone())).unwrap_err().to_string();
        assert!(error.contains("cannot set up the export to https://localhost:1/"), "{error}");
        assert!(error.contains("/no/such/ca.pem: "), "{error}");
    }
}
