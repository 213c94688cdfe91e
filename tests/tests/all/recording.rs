//! What a real Envoy records, with the configurations of `envoy-config/recording/`, is what was sent.

use std::path::{Path, PathBuf};

use meshspan::traffic::{Chunk, Exchange, Input, Note, Options, Request as Recorded, Tally, open, open_all};
use meshspan_tests::client::Request;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::process::free_port;
use meshspan_tests::tools;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// An Envoy that records into a directory, and the application behind it.
struct Recorder {
    _envoy: Envoy,
    _upstream: Upstream,
    directory: tempfile::TempDir,
    port: u16,
}

impl Recorder {
    fn start(file: &str, change: impl FnOnce(Config) -> Config) -> Recorder {
        let (upstream, port, directory) = (Upstream::start(), free_port(), tempfile::tempdir().unwrap());
        let config = Config::read(&tools::repository().join("envoy-config/recording").join(file));
        let config = config
            .replace("/var/log/envoy", directory.path().to_str().unwrap())
            .port(15001, port)
            .port(8080, upstream.port())
            .arguments(&["--file-flush-interval-msec", "50"]);
        Recorder { _envoy: change(config).start(), _upstream: upstream, directory, port }
    }

    /// A request with a body and bytes that are no UTF-8 over HTTP/1.1, one over HTTP/2, a gRPC call.
    fn play(&self) {
        let posted = Recorded {
            method: "POST".to_owned(),
            authority: "shop.test:8080".to_owned(),
            path: "/status/201".to_owned(),
            body_bytes: 4,
            body: Some(vec![Chunk::new(b"\xffabc".to_vec())]),
            ..Recorded::default()
        };
        let posted =
            Request::recorded(&posted).header("x-bytes", b"caf\xe9").header("authorization", "Bearer x");
        assert_eq!(posted.header("traceparent", TRACEPARENT).send_http1(self.port).status, 201);
        assert_eq!(Request::get("/status/404").send_http2(self.port).status, 404);
        let call = Request::grpc("voting.shop:80", "/shop.Voting/Vote").send_http2(self.port);
        assert_eq!(call.grpc_status.as_deref(), Some("2"));
    }

    /// The files that Envoy has written so far, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The exchanges in the order in which they were played, once all three are there.
    fn exchanges(&self) -> (Vec<Exchange>, Tally) {
        wait::until("three exchanges on disk", || {
            let inputs: Vec<_> = self.files().into_iter().map(Input::File).collect();
            let mut tally = Tally::default();
            let entries: Result<Vec<_>, _> = open_all(inputs, Options::default()).collect();
            let mut exchanges: Vec<_> =
                entries.ok()?.into_iter().filter_map(|entry| tally.take(entry)).collect();
            exchanges.sort_by_key(|exchange| (exchange.is_grpc(), exchange.response.status));
            (exchanges.len() == 3 && tally.skipped_count() == 0).then_some((exchanges, tally))
        })
    }
}

fn header<'a>(headers: &'a [(String, meshspan::traffic::HeaderValue)], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes())
}

/// What every recorder must have got of the three.
fn check_heads(exchanges: &[Exchange]) {
    let shown: Vec<_> = exchanges
        .iter()
        .map(|Exchange { source, destination, request, response, .. }| {
            (
                source.as_str(),
                destination.as_str(),
                request.method.as_str(),
                request.path.as_str(),
                response.status,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("client", "shop.test", "POST", "/status/201", 201),
            ("client", "meshspan.test", "GET", "/status/404", 404),
            ("client", "voting.shop", "POST", "/shop.Voting/Vote", 200),
        ]
    );
    assert_eq!(header(&exchanges[0].request.headers, "traceparent"), Some(TRACEPARENT.as_bytes()));
    assert_eq!((exchanges[0].request.body_bytes, exchanges[0].response.body_bytes), (4, 5));
    assert!(exchanges[2].is_grpc());
    assert_eq!(header(&exchanges[2].response.trailers, "grpc-status"), Some(&b"2"[..]));
}

/// Instants that lie within the last minute, in their order.
fn check_times(exchanges: &[Exchange]) {
    let now = i64::try_from(wait::unix_nanos() / 1_000_000_000).unwrap();
    for exchange in exchanges {
        let age = now - exchange.start.as_second();
        assert!((0..60).contains(&age), "{age} s old");
        let timing = exchange.timing_us;
        assert!(timing.response_start > 0 && timing.response_end < 10_000_000, "{timing:?}");
    }
}

/// As a tap keeps them: credentials and bodies, whatever bytes they are.
fn check_bodies(exchanges: &[Exchange]) {
    let body = |chunks: &Option<Vec<Chunk>>| {
        chunks.iter().flatten().flat_map(|chunk| chunk.data.clone()).collect::<Vec<u8>>()
    };
    assert_eq!(header(&exchanges[0].request.headers, "authorization"), Some(&b"Bearer x"[..]));
    assert_eq!(body(&exchanges[0].request.body), b"\xffabc");
    assert_eq!(body(&exchanges[0].response.body), b"done\n");
    assert_eq!(body(&exchanges[2].request.body), [0; 5]);
}

#[test]
fn an_access_log_of_our_format_has_all_but_bodies() {
    let recorder = Recorder::start("access-log.yaml", |config| config);
    recorder.play();
    let (exchanges, tally) = recorder.exchanges();
    check_heads(&exchanges);
    check_times(&exchanges);
    assert!(tally.notes.is_empty(), "{tally}");
    let names = |exchange: &Exchange| {
        exchange.request.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert!(!names(&exchanges[0]).contains(&"authorization".to_owned()), "no credentials in a log");
    assert!(exchanges[0].timing_us.response_end >= exchanges[0].timing_us.response_start);
}

#[test]
fn a_tap_has_everything_in_each_of_its_formats() {
    for (format, extension) in [
        ("PROTO_BINARY_LENGTH_DELIMITED", "pb_length_delimited"),
        ("PROTO_BINARY", "pb"),
        ("JSON_BODY_AS_BYTES", "json"),
    ] {
        let change = |config: Config| {
            config.replace("format: PROTO_BINARY_LENGTH_DELIMITED", &format!("format: {format}"))
        };
        let recorder = Recorder::start("tap.yaml", change);
        recorder.play();
        let (exchanges, tally) = recorder.exchanges();
        check_heads(&exchanges);
        check_times(&exchanges);
        check_bodies(&exchanges);
        if format.starts_with("PROTO") {
            assert_eq!(
                header(&exchanges[0].request.headers, "x-bytes"),
                Some(&b"caf!"[..]),
                "Envoy itself writes so"
            );
        }
        assert!(tally.notes.is_empty(), "{format}: {tally}");
        let is_named = |path: &Path| path.extension().is_some_and(|found| found == extension);
        assert!(recorder.files().iter().all(|path| is_named(path)), "{format}: {:?}", recorder.files());
    }
}

/// Segments tell no instants; all else is there, in chunks as they came.
#[test]
fn a_streamed_tap_has_all_but_instants() {
    for format in ["PROTO_BINARY_LENGTH_DELIMITED", "JSON_BODY_AS_BYTES"] {
        let recorder = Recorder::start("tap.yaml", |config| {
            config
                .replace("streaming: false", "streaming: true")
                .replace("format: PROTO_BINARY_LENGTH_DELIMITED", &format!("format: {format}"))
        });
        recorder.play();
        let (exchanges, tally) = recorder.exchanges();
        check_heads(&exchanges);
        check_bodies(&exchanges);
        assert_eq!(tally.notes.keys().collect::<Vec<_>>(), [&Note::StartAssumed], "{format}");
        assert_eq!(tally.exchanges, 3);
    }
}

#[test]
fn a_body_longer_than_the_taps_buffer_keeps_its_size() {
    let recorder = Recorder::start("tap.yaml", |config| {
        config.replace("max_buffered_rx_bytes: 1048576", "max_buffered_rx_bytes: 3")
    });
    recorder.play();
    let (exchanges, tally) = recorder.exchanges();
    check_heads(&exchanges);
    assert_eq!(exchanges[0].request.body, None);
    assert!(tally.notes.contains_key(&Note::BodyCutOff), "{tally}");
    assert!(open(&Input::File(recorder.files()[0].clone()), &Options::default()).is_ok());
}
