#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::time::Duration;

use super::pass::Times;
use super::*;
use crate::ids::SpanId;
use crate::span::{Event, FinishedSpan, SpanKind};
use crate::time::Timestamp;

mod probability;
mod roles;
mod sampling;
#[cfg(not(target_arch = "wasm32"))]
mod spans;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A request's headers, and what a proxy does to them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HeaderList(Vec<(String, Vec<u8>)>);

impl HeaderList {
    fn new(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect())
    }

    fn headers(&self) -> Headers<'static> {
        Headers::new(self.0.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.headers().first(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

impl Injector for HeaderList {
    fn set(&mut self, name: &str, value: &[u8], _is_repeated: bool) {
        self.0.retain(|(key, _)| key != name);
        self.0.push((name.to_owned(), value.to_vec()));
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }
}

fn tracer(json: &str) -> Tracer {
    Tracer::new(&Config::parse(json.as_bytes(), &[]).unwrap().0)
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_unix_nanos(nanos)
}

/// A proxy that knows nothing but the time.
struct Bare(u64);

impl Surroundings for Bare {
    fn now(&self) -> Timestamp {
        at(self.0)
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn direction(&self) -> Option<Direction> {
        None
    }
}

fn start_at(json: &str, pairs: &[(&str, &str)], ids: &mut IdGenerator) -> (Start, HeaderList) {
    let before = HeaderList::new(pairs);
    let mut after = before.clone();
    let start = tracer(json).start(&before.headers(), &Bare(1000), ids, &mut after);
    (start, after)
}

fn start(json: &str, pairs: &[(&str, &str)]) -> (Start, HeaderList) {
    start_at(json, pairs, &mut IdGenerator::from_seed([1; 32]))
}

/// The two spans of a pass that has both.
fn both(ended: &FinishedPass) -> [FinishedSpan<'_>; 2] {
    ended.spans().collect::<Vec<_>>().try_into().unwrap()
}

const ROOTS: &str = r#"{"start_traces": true}"#;

#[test]
fn rule_01_without_context_a_sidecar_touches_nothing() {
    for pairs in [
        &[(":method", "GET"), ("baggage", "k=v"), ("x-request-id", "1")][..],
        &[("tracestate", "a=1")],
        &[("traceparent", "garbage")],
    ] {
        let (start, after) = start("{}", pairs);
        assert_eq!(start.outcome, StartOutcome::Untraced);
        assert!(start.pass.is_none());
        assert_eq!(after, HeaderList::new(pairs), "byte for byte");
    }
}

#[test]
fn rule_01_an_ingress_starts_the_trace() {
    let (start, after) = start(ROOTS, &[(":method", "GET"), ("tracestate", "a=1")]);
    let pass = start.pass.unwrap();
    let ended = pass.end(&StreamEnd::default());
    let [server, client] = both(&ended);
    assert_eq!(server.parent, None, "the root");
    assert_eq!(server.flags, TraceFlags::new(true, true), "rule 8: we drew a random id");
    let expected = format!("00-{}-{}-03", server.trace_id, client.span_id);
    assert_eq!(after.text("traceparent"), Some(expected));
    assert_eq!(after.text("tracestate").as_deref(), Some("ot=th:0"), "the one before belonged to no trace");
    assert_eq!(server.trace_state.as_str(), "ot=th:0");
}

#[test]
fn rule_09_the_client_span_is_the_next_ones_parent() {
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let (start, after) = start("{}", &[("traceparent", &traceparent), ("tracestate", "a=1")]);
    assert_eq!((start.outcome, start.invalid), (StartOutcome::Recording, 0));
    let pass = start.pass.unwrap();
    let ended = pass.end(&StreamEnd::default());
    let [server, client] = both(&ended);
    let caller = SpanId::parse(CALLER.as_bytes()).unwrap();
    assert_eq!(server.trace_id, TraceId::parse(TRACE.as_bytes()).unwrap());
    assert_eq!(server.parent, Some(Parent { span_id: caller, is_remote: true }));
    assert_eq!(client.parent, Some(Parent { span_id: server.span_id, is_remote: false }));
    assert_eq!((server.kind, client.kind), (SpanKind::Server, SpanKind::Client));
    assert_eq!(server.trace_state.as_str(), "a=1");
    assert_eq!(client.trace_state.as_str(), "a=1");
    let expected = format!("00-{TRACE}-{}-01", client.span_id);
    assert_eq!(after.text("traceparent"), Some(expected), "rule 8: the random bit is as it was");
    let ids = [caller, server.span_id, client.span_id];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn four_spans_between_two_proxies_are_each_the_child_of_the_one_before() {
    let mut ids = IdGenerator::from_seed([4; 32]);
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let (outbound, between) = start_at("{}", &[("traceparent", &traceparent)], &mut ids);
    let mut after = between.clone();
    let inbound = tracer("{}").start(&between.headers(), &Bare(2000), &mut ids, &mut after);
    let (outbound, inbound) = (outbound.pass.unwrap(), inbound.pass.unwrap());
    let ended = [outbound, inbound].map(|pass| pass.end(&StreamEnd::default()));
    let chain = [both(&ended[0]), both(&ended[1])].concat();
    for pair in chain.windows(2) {
        assert_eq!(pair[1].parent.map(|parent| parent.span_id), Some(pair[0].span_id));
        assert_eq!(pair[1].trace_id, pair[0].trace_id);
    }
    assert_eq!(
        chain.iter().map(|span| span.parent.is_some_and(|parent| parent.is_remote)).collect::<Vec<_>>(),
        [true, false, true, false]
    );
}

#[test]
fn rule_23_decisions_go_onward() {
    let w3c = |flags: &str| vec![("traceparent", format!("00-{TRACE}-{CALLER}-{flags}"))];
    let b3 = |value: String| vec![("b3", value)];
    let none = r#"{"sampling": {"default": "drop"}}"#;
    let no_roots = r#"{"start_traces": true, "sampling": {"default": "drop"}}"#;
    let cases = [
        ("{}", w3c("00"), StartOutcome::SampledOut, "traceparent", "-00", "unsampled stays so"),
        (none, w3c("01"), StartOutcome::Recording, "traceparent", "-01", "the caller's decision holds"),
        (
            no_roots,
            vec![],
            StartOutcome::SampledOut,
            "traceparent",
            "-02",
            "a root that is not recorded says so",
        ),
        ("{}", b3("0".into()), StartOutcome::SampledOut, "b3", "-0", "rule 19: deny alone"),
        ("{}", b3("1".into()), StartOutcome::Recording, "b3", "-1", "rule 19: accept alone"),
        (none, b3("d".into()), StartOutcome::Recording, "b3", "-d", "rule 18: debug is kept"),
        (
            "{}",
            b3(format!("{TRACE}-{CALLER}")),
            StartOutcome::Recording,
            "b3",
            "-1",
            "rule 17: deferred to us",
        ),
        (
            none,
            b3(format!("{TRACE}-{CALLER}")),
            StartOutcome::SampledOut,
            "b3",
            "-0",
            "rule 17: and we said no",
        ),
    ];
    for (json, pairs, outcome, header, end, reason) in cases {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (start, after) = start(json, &pairs);
        assert_eq!(start.outcome, outcome, "{reason}");
        assert_eq!(start.pass.is_some(), outcome == StartOutcome::Recording, "{reason}");
        let value = after.text(header).unwrap_or_default();
        assert!(value.ends_with(end) && value.len() > 50, "{reason}: {header}: {value}");
        assert!(!value.contains(CALLER), "rules 9 and 20: a new id goes onward: {value}");
    }
}

#[test]
fn rule_14_an_invalid_format_is_counted_and_the_next_one_counts() {
    let b3 = format!("{TRACE}-{CALLER}-1");
    let (start, after) = start("{}", &[("traceparent", "00-xyz"), ("tracestate", "a=1"), ("b3", &b3)]);
    assert_eq!((start.outcome, start.invalid), (StartOutcome::Recording, 1));
    assert_eq!(after.text("traceparent"), None);
    assert_eq!(after.text("tracestate"), None);
    let pass = start.pass.unwrap();
    assert_eq!(after.text("b3"), Some(format!("{TRACE}-{}-1", pass.identity.onward.span_id)));
}

/// Arrival, latency and clock → both starts and the end, and why.
type TimesCase = (Option<u64>, Option<Duration>, u64, (u64, u64, u64), &'static str);

#[test]
fn times_are_the_streams_where_the_proxy_has_them() {
    let onward = 1000;
    let ns = |nanos| Some(Duration::from_nanos(nanos));
    let cases: [TimesCase; 8] = [
        (None, None, 1500, (1000, 1000, 1500), "only the clock"),
        (Some(990), ns(400), 1700, (990, 1300, 1700), "all that Envoy knows"),
        (None, ns(400), 1700, (1000, 1300, 1700), "an unknown arrival"),
        (Some(990), ns(9000), 1700, (990, 990, 1700), "a latency longer than the stream"),
        (Some(0), None, 1700, (1000, 1000, 1700), "an arrival at the epoch is none"),
        (Some(2000), None, 1700, (2000, 2000, 2000), "a clock behind the proxy's"),
        (None, None, 900, (1000, 1000, 1000), "a clock that went back"),
        (Some(u64::MAX), ns(u64::MAX), 1, (u64::MAX, u64::MAX, u64::MAX), "out of bounds"),
    ];
    for (arrival, latency, now, expected, reason) in cases {
        let end = StreamEnd {
            now: at(now),
            request_time: arrival.map(at),
            backend_latency: latency,
            ..StreamEnd::default()
        };
        let times = Times::new(at(onward), &end);
        let found = (times.server_start, times.client_start, times.end);
        assert_eq!(found, (at(expected.0), at(expected.1), at(expected.2)), "{reason}");
    }
}

#[test]
fn rule_35_one_client_span_stands_for_all_attempts() {
    let end = |attempts| StreamEnd {
        now: at(9000),
        attempts,
        backend_latency: Some(Duration::from_nanos(500)),
        ..StreamEnd::default()
    };
    for (attempts, client_start, resends) in
        [(None, 8500, None), (Some(1), 8500, None), (Some(3), 1000, Some(2))]
    {
        let pass = start("{}", &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]).0.pass.unwrap();
        let ended = pass.end(&end(attempts));
        let [server, client] = both(&ended);
        assert_eq!(client.start, at(client_start), "{attempts:?}: the latency is the last attempt's");
        let count = client.attributes.find(key::HTTP_REQUEST_RESEND_COUNT);
        assert_eq!(count, resends.map(crate::attributes::Value::Int), "{attempts:?}");
        assert!(!server.attributes.has(key::HTTP_REQUEST_RESEND_COUNT));
    }
}
