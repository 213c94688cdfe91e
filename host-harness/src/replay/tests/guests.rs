//! Filters that do to traffic what a tracing filter never does.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::collect::{self, SpanRecord};
use crate::flow::Side;
use crate::time::Timestamp;
use crate::topology::Emojivoto;
use crate::traffic::{Chunk, Exchange};
use crate::vm::{FailurePolicy, Filter, Limits};

use super::super::{Mesh, Passed, ReplayOptions, ReplayStats, Sink, StreamOptions, stream};
use super::{Capture, beginning, run_by, run_with};

/// A filter with these imports and exports beside what every one needs.
fn guest(imports: &str, exports: &str) -> Filter {
    let text = format!(
        r#"(module {imports}
             (memory (export "memory") 1) (data (i32.const 0) "ratelimited")
             (func (export "proxy_abi_version_0_2_1")) {exports})"#
    );
    Filter::compile(&wat::parse_str(text).unwrap(), Limits::default()).unwrap()
}

/// `proxy_on_request_headers` with this body; the first parameter is the stream.
fn on_request(body: &str) -> String {
    format!(r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body})"#)
}

#[test]
fn a_local_reply_goes_back_and_the_destination_sees_nothing() {
    let import = r#"(import "env" "proxy_send_local_response" (func $reply
        (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let reply = "(drop (call $reply (i32.const 429) (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 4)
        (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 1)";
    let exchanges = beginning(Emojivoto::B3);
    let roots = exchanges.iter().filter(|exchange| exchange.parent.is_none()).count();
    let filter = guest(import, &on_request(reply));
    let capture = run_with(&filter, &Emojivoto::B3.topology().unwrap(), &exchanges, 1);
    assert_eq!(capture.stats.local_replies, roots as u64, "the caller's proxy answers each root");
    assert_eq!(capture.stats.passes, roots as u64, "so no other proxy has it");
    assert_eq!(capture.stats.not_sent, (exchanges.len() - roots) as u64, "and nobody makes a call for it");
    assert_eq!(capture.stats.exchanges, roots as u64);
    let records = collect::records(&capture.spans);
    assert_eq!(records.len(), roots, "the callers' own spans alone");
    assert!(records.iter().all(|span| matches!(span.status, collect::Status::Error(_))));
    let code = ("http.response.status_code".to_owned(), "429".to_owned());
    assert!(records.iter().all(|span| span.attributes.contains(&code)), "{records:#?}");
}

#[test]
fn what_nobody_lets_go_is_answered_in_the_end() {
    let exchanges = beginning(Emojivoto::B3);
    let roots = exchanges.iter().filter(|exchange| exchange.parent.is_none()).count();
    let filter = guest("", &on_request("(i32.const 1)"));
    let Capture { spans, stats } = run_with(&filter, &Emojivoto::B3.topology().unwrap(), &exchanges, 1);
    assert_eq!((stats.pauses, stats.held, stats.local_replies), (roots as u64, roots as u64, roots as u64));
    assert_eq!((stats.exchanges, stats.not_sent), (roots as u64, (exchanges.len() - roots) as u64));
    let records = collect::records(&spans);
    assert_eq!(records.len(), roots, "nothing came to its destination");
    let code = ("http.response.status_code".to_owned(), "504".to_owned());
    for span in records {
        assert!(span.attributes.contains(&code), "{span:#?}");
        let took = span.end.since(span.start);
        assert!(took > Duration::from_secs(15) && took < Duration::from_secs(16), "{took:?}");
    }
}

#[test]
fn a_filter_that_traps_at_every_request_fails_or_stops_none() {
    let exchanges = beginning(Emojivoto::W3c);
    let topology = Emojivoto::W3c.topology().unwrap();
    let filter = guest("", &on_request("unreachable"));
    let roots = exchanges.iter().filter(|exchange| exchange.parent.is_none()).count();
    let stats = run_with(&filter, &topology, &exchanges, 1).stats;
    assert_eq!((stats.exchanges, stats.local_replies), (roots as u64, roots as u64), "503, each");
    assert_eq!(stats.filter_time.count(), roots as u64);
    let options = ReplayOptions { failure_policy: FailurePolicy::FailOpen, ..ReplayOptions::new(1) };
    let Capture { spans, stats } = run_by(&filter, &topology, &exchanges, options);
    assert_eq!((stats.exchanges, stats.local_replies), (exchanges.len() as u64, 0));
    assert_eq!(stats.filter_time.count(), 2 * exchanges.len() as u64);
    assert_eq!(collect::records(&spans).len(), 2 * exchanges.len(), "every application had its request");
}

/// Calls the collector for every request, which refuses, and lets the request go when that is known.
const ASKS_FIRST: [&str; 2] = [
    r#"(import "env" "proxy_http_call" (func $call
         (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
       (import "env" "proxy_set_effective_context" (func $enter (param i32) (result i32)))
       (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))"#,
    r#"(data (i32.const 64) "otel_collector")
       (data (i32.const 128) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00")
       (data (i32.const 156) ":method\00GET\00:path\00/\00:authority\00a\00")
       (func (export "proxy_on_request_headers") (param $stream i32) (param i32 i32) (result i32)
         (drop (call $call (i32.const 64) (i32.const 14) (i32.const 128) (i32.const 61) (i32.const 0)
                           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 256)))
         (i32.store (i32.add (i32.const 1024) (i32.mul (i32.load (i32.const 256)) (i32.const 4)))
                    (local.get $stream))
         (i32.const 1))
       (func (export "proxy_on_http_call_response") (param i32) (param $token i32) (param i32 i32 i32)
         (drop (call $enter (i32.load (i32.add (i32.const 1024) (i32.mul (local.get $token) (i32.const 4))))))
         (drop (call $continue (i32.const 0))))"#,
];

#[test]
fn what_a_filter_holds_comes_later_and_with_it_all_that_follows() {
    let exchanges = beginning(Emojivoto::B3);
    let topology = Emojivoto::B3.topology().unwrap();
    let [imports, exports] = ASKS_FIRST;
    let Capture { spans, stats } = run_with(&guest(imports, exports), &topology, &exchanges, 1);
    assert_eq!((stats.exchanges, stats.not_sent), (exchanges.len() as u64, 0));
    assert_eq!((stats.pauses, stats.held), (2 * exchanges.len() as u64, 0));
    let free = run_with(&guest("", ""), &topology, &exchanges, 1).spans;
    let (held, free) = (by_id(&spans), by_id(&free));
    assert_eq!(held.keys().collect::<Vec<_>>(), free.keys().collect::<Vec<_>>());
    for (id, span) in &held {
        if let Some(parent) = span.parent.map(|parent| &held[&parent]) {
            assert!(parent.start <= span.start && span.end <= parent.end, "{span:#?} in {parent:#?}");
        }
        let took = |span: &SpanRecord| span.end.since(span.start);
        let is_client = span.kind == collect::SpanKind::Client;
        let longer = took(span).saturating_sub(took(&free[id]));
        // The body comes meanwhile.
        assert!(!is_client || longer >= Duration::from_micros(1_500), "two proxies ask: {longer:?}");
    }
}

fn by_id(spans: &[ResourceSpans]) -> BTreeMap<[u8; 8], SpanRecord> {
    collect::records(spans).into_iter().map(|span| (span.span_id, span)).collect()
}

#[test]
fn what_a_filter_makes_of_a_message_goes_on_to_the_next_hop() {
    let imports = r#"(import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))"#;
    // Holds the request's body until it is whole, then puts its own before it; adds a trailer to both sides.
    let exports = r#"
        (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
          (if (result i32) (local.get $end)
            (then (drop (call $set (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)))
                  (i32.const 0))
            (else (i32.const 1))))
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
          (drop (call $add (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 4) (i32.const 7))) (i32.const 0))
        (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
          (drop (call $add (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 4) (i32.const 7))) (i32.const 0))"#;
    let mut exchange = beginning(Emojivoto::B3).remove(0);
    exchange.request.body = Some(vec![Chunk::new("ab"), Chunk::new("c")]);
    exchange.request.body_bytes = 3;
    exchange.response.trailers = vec![("a".to_owned(), "1".into())];
    let (passed, stats) = watched(&guest(imports, exports), &[exchange.clone()]);
    let shown = |message: &Passed| {
        let trailers = message.trailers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
        (message.proxy.clone(), message.body.bytes(), trailers.collect::<Vec<_>>().join(" "))
    };
    let side = |side| passed.iter().filter(|message| message.side == side).map(shown).collect::<Vec<_>>();
    let row = |proxy: &str, bytes, trailers: &str| (proxy.to_owned(), bytes, trailers.to_owned());
    let (outer, inner) = ("vote-bot outbound", "web inbound");
    let bytes = exchange.response.body_bytes;
    assert_eq!(side(Side::Request), [row(outer, 7, ""), row(inner, 11, "")], "each puts four bytes before");
    assert_eq!(side(Side::Response), [row(inner, bytes, "a rate"), row(outer, bytes, "a rate rate")]);
    assert!(passed.iter().all(|message| message.is_whole));
    assert_eq!((stats.pauses, stats.held, stats.exchanges), (1, 0, 1), "the second has it as one piece");
    exchange.request.trailers = vec![("b".to_owned(), "1".into())];
    let (passed, stats) = watched(&guest(imports, exports), &[exchange]);
    let requests = passed.iter().filter(|message| message.side == Side::Request).map(shown);
    let expected = [row(outer, 3, "b rate"), row(inner, 3, "b rate rate")];
    assert_eq!(requests.collect::<Vec<_>>(), expected, "the body never ends, so it goes with the trailers");
    assert_eq!(stats.exchanges, 1);
}

#[test]
fn an_answer_to_a_body_takes_the_request_back_from_those_who_have_its_head() {
    let import = r#"(import "env" "proxy_send_local_response" (func $reply
        (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let exports = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const -1))) (i32.const 1))"#;
    let mut exchange = beginning(Emojivoto::B3).remove(0);
    exchange.request.body_bytes = 1 << 40;
    exchange.timing_us.request_end = exchange.timing_us.response_start;
    let (passed, stats) = watched(&guest(import, exports), &[exchange]);
    assert_eq!((stats.passes, stats.local_replies, stats.exchanges), (2, 1, 1));
    assert_eq!(stats.filter_time.count(), 2, "both passes have ended");
    let shown = |message: &Passed| {
        let status = message.head.first(":status").map(String::from_utf8_lossy);
        (message.proxy.clone(), status.map(|status| status.into_owned()), message.is_whole)
    };
    let mut shown: Vec<_> = passed.iter().map(shown).collect();
    shown.sort();
    let (outer, inner) = ("vote-bot outbound".to_owned(), "web inbound".to_owned());
    let expected =
        [(outer.clone(), None, false), (outer, Some("403".to_owned()), true), (inner, None, false)];
    assert_eq!(shown, expected, "two heads went onward, and one answer back");
}

#[test]
fn zeros_stand_for_bytes_that_were_not_recorded_in_no_room() {
    let mut exchange = beginning(Emojivoto::B3).remove(0);
    (exchange.request.body_bytes, exchange.response.body_bytes) = (64 << 20, 1 << 20);
    let (passed, _) = watched(&guest("", ""), &[exchange]);
    let bytes: Vec<u64> = passed.iter().map(|message| message.body.bytes()).collect();
    assert_eq!(bytes, [64 << 20, 64 << 20, 1 << 20, 1 << 20]);
}

/// Every message that leaves a proxy, in this order.
fn watched(filter: &Filter, exchanges: &[Exchange]) -> (Vec<Passed>, ReplayStats) {
    let (sink, topology) = (Watched::default(), Emojivoto::B3.topology().unwrap());
    let options = StreamOptions::new(ReplayOptions::new(1));
    let exchanges = exchanges.iter().cloned().map(Ok);
    let mut go_on = |_| ControlFlow::Continue(());
    let stats = stream(filter, Mesh::Topology(&topology), exchanges, &options, &sink, &mut go_on).unwrap();
    (sink.0.into_inner().unwrap(), stats)
}

#[derive(Default)]
struct Watched(Mutex<Vec<Passed>>);

impl Sink for Watched {
    type Chunk = Vec<Passed>;

    fn prepare(&self, _: usize, _: Vec<ResourceSpans>, _: Timestamp) -> Self::Chunk {
        Vec::new()
    }

    fn wants_messages(&self) -> bool {
        true
    }

    fn add_messages(&self, chunk: &mut Self::Chunk, messages: Vec<Passed>) {
        chunk.extend(messages);
    }

    fn take(&self, chunk: Self::Chunk) -> ControlFlow<()> {
        self.0.lock().unwrap().extend(chunk);
        ControlFlow::Continue(())
    }
}

#[test]
fn a_callout_that_is_no_export_is_refused_and_logged() {
    let import = r#"(import "env" "proxy_http_call" (func $call
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    let exports = r#"(data (i32.const 64) "otel_collector")
        (data (i32.const 128) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00")
        (data (i32.const 156) ":method\00GET\00:path\00/\00:authority\00a\00")
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $call (i32.const 64) (i32.const 14) (i32.const 128) (i32.const 61) (i32.const 0) (i32.const 0)
                            (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 256)))
          (i32.const 0))"#;
    let exchanges = beginning(Emojivoto::B3);
    let filter = guest(import, exports);
    let capture = run_with(&filter, &Emojivoto::B3.topology().unwrap(), &exchanges, 1);
    let refused = capture
        .stats
        .logs
        .iter()
        .filter(|(_, line)| line.message.contains("something else than an OTLP export"));
    assert_eq!(refused.count(), 2 * exchanges.len(), "{:?}", capture.stats.logs.first());
}
