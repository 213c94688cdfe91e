//! What a request costs in allocations: none unless its spans are recorded.
//! A test binary of its own, as it replaces the allocator.

#![cfg(not(target_arch = "wasm32"))]
#![expect(unsafe_code, reason = "an allocator that counts is a foreign trait's unsafe functions")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::borrow::Cow;
use std::cell::Cell;

use meshspan_filter::config::{Config, Direction};
use meshspan_filter::headers::{Headers, encode};
use meshspan_filter::ids::IdGenerator;
use meshspan_filter::propagation::Injector;
use meshspan_filter::sampler::Surroundings;
use meshspan_filter::time::Timestamp;
use meshspan_filter::tracer::{StartOutcome, Tracer};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts what is written.
#[derive(Default)]
struct Writes(usize);

impl Injector for Writes {
    fn set(&mut self, _name: &str, _value: &[u8], _is_repeated: bool) {
        self.0 += 1;
    }

    fn remove(&mut self, _name: &str) {
        self.0 += 1;
    }
}

/// A proxy that knows nothing.
struct Bare;

impl Surroundings for Bare {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn direction(&self) -> Option<Direction> {
        None
    }
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The outcome of one request, how many headers were written, and how often memory was allocated.
fn start(config: &Config, context: Pairs<'_>) -> (StartOutcome, usize, usize) {
    let mut tracer = Tracer::new(config);
    let mut pairs = vec![(":method", "GET"), (":path", "/api/vote?choice=1"), ("user-agent", "test")];
    pairs.extend(context);
    let map = encode(&pairs);
    let mut ids = IdGenerator::from_seed([1; 32]);
    let mut writes = Writes::default();
    let before = ALLOCATIONS.with(Cell::get);
    let start = tracer.start(&Headers::decode(&map), &Bare, &mut ids, &mut writes);
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    (start.outcome, writes.0, allocations)
}

#[test]
fn a_request_that_is_not_recorded_allocates_nothing() {
    let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let roots = r#"{"start_traces": true, "sampling": {"default": {"ratio": 0}}}"#;
    let ids = [
        ("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7"),
        ("x-b3-spanid", "e457b5a2e4d86bd1"),
        ("x-b3-sampled", "0"),
    ];
    let rules = r#"{"start_traces": true, "sampling": {"rules": [
        {"match": {"path": "/healthz", "host": "api.*"}, "decision": "always", "override": true},
        {"match": {"path_template": "/api/{method}", "method": ["PUT", "POST"]}, "decision": "always"},
        {"match": {"path_prefix": "/api/", "headers": {"user-agent": "curl/*", "x-a": true}}, "decision": "always"},
        {"match": {"route": "web", "direction": "inbound"}, "decision": "always"},
        {"match": {"headers": {"user-agent": "te*"}, "method": "GET"}, "decision": DECISION}]}}"#;
    let (defers, limits) =
        (rules.replace("DECISION", r#""defer""#), rules.replace("DECISION", r#"{"per_second": 0}"#));
    let (untraced, out) = (StartOutcome::Untraced, StartOutcome::SampledOut);
    type Case<'a> = (&'a str, Pairs<'a>, StartOutcome, usize, &'a str);
    let cases: [Case<'_>; 10] = [
        ("{}", &[], untraced, 0, "no context"),
        ("{}", &[("traceparent", "garbage")], untraced, 0, "an invalid one"),
        ("{}", &[("traceparent", unsampled)], out, 1, "W3C"),
        ("{}", &[("b3", "0")], out, 1, "B3, a decision alone"),
        ("{}", &ids, out, 1, "B3 in several headers, of which one changes"),
        ("{}", &[("grpc-trace-bin", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgA")], out, 1, "gRPC's binary one"),
        (roots, &[], out, 1, "a new trace"),
        (
            &defers,
            &[("traceparent", unsampled)],
            StartOutcome::Deferred,
            0,
            "rules, of which the last defers",
        ),
        (&limits, &[("traceparent", unsampled)], out, 1, "rules, of which none counts"),
        (&limits, &[], out, 1, "rules, of which the last limits"),
    ];
    for (json, context, outcome, writes, reason) in cases {
        let (config, _) = Config::parse(json.as_bytes(), &[]).unwrap();
        assert_eq!(start(&config, context), (outcome, writes, 0), "{reason}");
    }
}

#[test]
fn a_recorded_request_allocates_its_spans_buffers() {
    let sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = [("traceparent", sampled)];
    let (config, _) = Config::parse(b"{}", &[]).unwrap();
    assert_eq!(start(&config, &context), (StartOutcome::Recording, 1, 2), "two spans' attributes");
}
