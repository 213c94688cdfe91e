//! Many streams of one connection, all open at once: none gets what is another's.

use std::collections::{BTreeMap, BTreeSet};

use h2::client::SendRequest;
use hyper::Request;
use hyper::body::Bytes;
use meshspan_tests::envoy::Config;
use meshspan_tests::process::free_port;
use meshspan_tests::sink::Sink;
use meshspan_tests::spans::{CLIENT, SERVER};
use meshspan_tests::upstream::{Recorded, Upstream};
use meshspan_tests::wait;
use tokio::net::TcpStream;

const STREAMS: usize = 256;
/// The span that each request comes from.
const PARENT: &str = "00f067aa0ba902b7";

type Answers = Vec<(u16, Vec<u8>)>;

#[test]
fn many_streams_of_one_connection_keep_their_own_spans() {
    let (upstream, sink, plain, traced) = (Upstream::start(), Sink::start(), free_port(), free_port());
    let config = Config::new("../tests/envoy/situations.yaml", meshspan::filter_wasm()).concurrency(2);
    let config = config.port(15001, plain).port(15002, traced);
    let envoy = config.port(8080, upstream.port()).port(4317, sink.port()).start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let without = runtime.block_on(fetch(plain));
    let passed = by_path(upstream.take());
    let with = runtime.block_on(fetch(traced));
    assert!(with == without, "answers differ");
    let traced = by_path(upstream.take());
    assert_eq!((passed.len(), traced.len()), (STREAMS, STREAMS));
    for (path, request) in &traced {
        let other = &passed[path];
        let fields = |request: &Recorded| {
            let others = request.headers.iter().filter(|(name, _)| name != "traceparent");
            others.cloned().collect::<Vec<_>>()
        };
        assert_eq!((fields(request), &request.body), (fields(other), &other.body), "{path}");
    }
    wait::until("all spans", || (sink.spans().len() >= 2 * STREAMS).then_some(()));
    let spans = sink.spans();
    assert_eq!(spans.len(), 2 * STREAMS);
    let ids: BTreeSet<_> = spans.iter().map(|span| span.span_id.clone()).collect();
    assert_eq!(ids.len(), spans.len(), "ids are unique");
    for number in 0..STREAMS {
        let of_kind = |kind: u8| {
            let is_it = |trace_id: &[u8]| hex(trace_id) == trace(number);
            let mut found = spans.iter().filter(|span| is_it(&span.trace_id) && span.kind == i32::from(kind));
            let span = found.next().unwrap();
            assert!(found.next().is_none(), "two of kind {kind} for stream {number}");
            span
        };
        let (server, client) = (of_kind(SERVER), of_kind(CLIENT));
        assert_eq!(hex(&server.parent_span_id), PARENT);
        assert_eq!(client.parent_span_id, server.span_id);
        let onward = format!("00-{}-{}-01", trace(number), hex(&client.span_id));
        assert_eq!(traced[&path(number)].value("traceparent"), onward);
    }
    wait::until("every stream to end", || {
        let active = envoy.stats("http.traced.downstream_rq_active");
        active.values().all(|streams| *streams == 0).then_some(())
    });
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn trace(number: usize) -> String {
    format!("5174{:028x}", number + 1)
}

fn path(number: usize) -> String {
    format!("/streams/{number}")
}

fn by_path(requests: Vec<Recorded>) -> BTreeMap<String, Recorded> {
    requests.into_iter().map(|request| (request.path.clone(), request)).collect()
}

/// All heads go first, then the bodies from the last to the first, so that all streams are open at once.
async fn fetch(port: u16) -> Answers {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    let (mut bodies, mut responses) = (Vec::new(), Vec::new());
    for number in 0..STREAMS {
        sender = sender.ready().await.unwrap();
        let (response, body) = send(&mut sender, number);
        responses.push(response);
        bodies.push(body);
    }
    for (number, body) in bodies.iter_mut().enumerate().rev() {
        body.send_data(Bytes::from(vec![b'x'; number]), true).unwrap();
    }
    let mut answers = Answers::new();
    for response in responses {
        let response = response.await.unwrap();
        let (status, mut body, mut bytes) = (response.status().as_u16(), response.into_body(), Vec::new());
        while let Some(data) = body.data().await {
            bytes.extend_from_slice(&data.unwrap());
        }
        answers.push((status, bytes));
    }
    answers
}

fn send(
    sender: &mut SendRequest<Bytes>,
    number: usize,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let request = Request::post(format!("http://meshspan.test{}", path(number)))
        .header("traceparent", format!("00-{}-{PARENT}-01", trace(number)))
        .body(())
        .unwrap();
    sender.send_request(request, false).unwrap()
}
