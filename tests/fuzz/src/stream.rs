//! A stream's life through the real wasm in the harness's host: no trap, no pause, no header touched but those
//! of trace context, every export readable, and the counters add up at the end.
//!
//! A VM lives for many scripts, since it costs more than a script does; each script leaves it without streams
//! and without spans, so that the next does not depend on it.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::Duration;

use meshspan::collect::{accept, decode_call};
use meshspan::time::Timestamp;
use meshspan::vm::{
    CallReply, Callback, Filter, HeaderMap, Lifecycle, Limits, MetricValue, OutboundCall, PluginOptions,
    PropertyValue, StreamId, Verdict, Vm, VmError,
};

use super::lines::{HeaderList, is_trace_header};
use super::native;
use super::script::{Step, parse};

static FILTER: LazyLock<Filter> = LazyLock::new(|| {
    let limits = Limits { call_deadline: Duration::from_secs(10), ..Limits::default() };
    Filter::compile(meshspan::filter_wasm(), limits).expect("the filter compiles")
});

/// What differs in what becomes of a stream.
const CONFIGURATIONS: [&str; 6] = [
    "{}",
    r#"{"start_traces": true}"#,
    r#"{"start_traces": true, "export": {"protocol": "http", "timeout_ms": 1000},
        "propagation": {"losing_headers": "leave"}}"#,
    r#"{"start_traces": true, "export": {"max_queue_spans": 4, "max_batch_spans": 2, "max_attempts": 1}}"#,
    r#"{"start_traces": true, "sampling": {"default": {"ratio": 0.5}},
        "propagation": {"inject": ["b3", "b3multi", "tracecontext"], "losing_headers": "rewrite"},
        "spans": {"query": "keep", "path_templates": ["/a/{b}"]}}"#,
    r#"{"start_traces": true, "export": {"cluster": "nowhere", "max_attempts": 2}}"#,
];
const PROPERTIES: [&[&str]; 8] = [
    &["request", "time"],
    &["request", "duration"],
    &["response", "backend_latency"],
    &["response", "code"],
    &["response", "code_details"],
    &["source", "address"],
    &["upstream", "address"],
    &["request", "protocol"],
];
/// The root context's id.
const ROOT: u32 = 1;
/// Scripts before a VM is replaced.
const USES: u32 = 256;

/// A script as [`super::script`] reads it.
pub fn check(text: &[u8]) {
    thread_local! {
        static VMS: RefCell<[Option<Run>; CONFIGURATIONS.len()]> = const { RefCell::new([const { None }; 6]) };
    }
    let (which, steps) = parse(text);
    let which = which % CONFIGURATIONS.len();
    VMS.with_borrow_mut(|vms| {
        let mut run = vms[which].take().unwrap_or_else(|| Run::start(which));
        for step in steps {
            run.step(step);
        }
        run.end();
        run.uses += 1;
        vms[which] = Some(run).filter(|run| !run.spoiled && run.uses < USES);
    });
}

struct Run {
    vm: Vm,
    streams: Vec<StreamId>,
    waiting: HeaderList,
    calls: Vec<OutboundCall>,
    /// Whether the root has been ended or replaced, so that its counts are gone.
    spoiled: bool,
    uses: u32,
}

impl Run {
    fn start(which: usize) -> Self {
        let options = PluginOptions {
            configuration: CONFIGURATIONS[which].into(),
            clusters: vec!["otel_collector".to_owned()],
            properties: vec![(
                vec!["xds".to_owned(), "listener_direction".to_owned()],
                PropertyValue::Int(1),
            )],
            lifecycle: if which.is_multiple_of(2) { Lifecycle::Envoy } else { Lifecycle::Specification },
            start: Timestamp::from_unix_nanos(1_700_000_000_000_000_000),
            ..PluginOptions::default()
        };
        let vm = FILTER.start(options).expect("the filter starts");
        Self { vm, streams: vec![], waiting: HeaderList::default(), calls: vec![], spoiled: false, uses: 0 }
    }

    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Open => self.open(),
            Step::Header(name, value) => self.waiting.push(name, value),
            Step::Request(n, end) => self.request(n, end),
            Step::Response(n, end) => self.response(n, end),
            Step::RequestTrailers(n) => {
                let (map, Some(stream)) = (self.take(), self.stream(n)) else { return };
                let verdict = self.vm.request_trailers(stream, map.clone());
                assert_goes_on(verdict, self.vm.request_trailers_map(stream), &map);
            }
            Step::ResponseTrailers(n) => {
                let (map, Some(stream)) = (self.take(), self.stream(n)) else { return };
                let verdict = self.vm.response_trailers(stream, map.clone());
                assert_goes_on(verdict, self.vm.response_trailers_map(stream), &map);
            }
            Step::Body(n, is_request) => {
                let Some(stream) = self.stream(n) else { return };
                let body = b"body".to_vec();
                let verdict = if is_request {
                    self.vm.request_body(stream, body, false)
                } else {
                    self.vm.response_body(stream, body, false)
                };
                assert_eq!(verdict.expect("no trap"), Verdict::Continue);
            }
            Step::Property(n, bytes) => {
                let Some(stream) = self.stream(n) else { return };
                let (which, value) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
                let path = PROPERTIES[usize::from(which) % PROPERTIES.len()];
                self.vm.set_property(stream, path, PropertyValue::Bytes(value.to_vec()));
            }
            Step::Close(n) => {
                let Some(stream) = self.stream(n) else { return };
                self.streams.retain(|open| *open != stream);
                self.vm.close_stream(stream).expect("no trap");
            }
            Step::Tick(steps) => self.tick(Duration::from_millis(steps * steps * 10)),
            Step::Answer(kind, body) => self.answer(kind, body),
            Step::Hostile(which, context, number) => self.hostile(which, context, number),
            Step::Finish => {
                self.spoiled = true;
                self.vm.finish().expect("no trap");
                self.streams.clear();
            }
        }
    }

    fn open(&mut self) {
        match self.vm.open_stream() {
            Err(VmError::UnknownRoot(_)) if self.has_ended() => {}
            opened => self.streams.push(opened.expect("a stream opens")),
        }
    }

    /// Whether the plugin is there no more, as after `f` in the script.
    fn has_ended(&self) -> bool {
        self.vm.roots().is_empty()
    }

    fn request(&mut self, n: usize, end: bool) {
        let (map, Some(stream)) = (self.take(), self.stream(n)) else { return };
        let verdict = self.vm.request_headers(stream, map.clone(), end);
        assert_eq!(verdict.expect("no trap"), Verdict::Continue);
        let foreign = |map: &HeaderMap| -> Vec<(Vec<u8>, Vec<u8>)> {
            let foreign = map.iter().filter(|(name, _)| !is_trace_header(name));
            foreign.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
        };
        assert_eq!(foreign(self.vm.request_map(stream)), foreign(&map), "nothing foreign is touched");
    }

    fn response(&mut self, n: usize, end: bool) {
        let (map, Some(stream)) = (self.take(), self.stream(n)) else { return };
        let verdict = self.vm.response_headers(stream, map.clone(), end);
        assert_goes_on(verdict, self.vm.response_map(stream), &map);
    }

    fn tick(&mut self, passed: Duration) {
        self.vm.set_time(self.vm.now().plus(passed));
        let ticked = self.vm.tick();
        if self.has_ended() {
            return assert!(matches!(ticked, Err(VmError::UnknownRoot(_))), "{ticked:?}");
        }
        ticked.expect("no trap");
        for call in self.vm.take_calls() {
            let export = decode_call(&call).expect("the filter only exports").expect("its export is OTLP");
            assert!(!export.resource_spans.is_empty());
            self.calls.push(call);
        }
    }

    fn answer(&mut self, kind: u8, body: &[u8]) {
        let mut headers = self.take();
        if self.calls.is_empty() {
            return;
        }
        let call = self.calls.remove(0);
        let reply = match kind {
            b'0' => accept(&call),
            b'1' => CallReply::HttpFailure,
            b'2' => CallReply::GrpcFailure { status: 14, message: String::new() },
            b'3' => CallReply::GrpcFailure { status: u32::from(body.len() as u8), message: String::new() },
            b'4' => CallReply::Grpc { message: body.to_vec() },
            _ => {
                headers.add(":status", if kind.is_multiple_of(2) { "200" } else { "503" });
                CallReply::Http { headers, body: body.to_vec(), trailers: HeaderMap::default() }
            }
        };
        self.vm.answer(call.token, reply).expect("no trap");
    }

    fn hostile(&mut self, which: u8, context: u32, number: u32) {
        let callback = match which {
            b'c' => Callback::ContextCreate(number),
            b'C' => Callback::Configure(number),
            b't' => Callback::Tick,
            b'q' => Callback::RequestHeaders(number),
            b's' => Callback::ResponseHeaders(number),
            b'r' => Callback::ResponseTrailers(number),
            b'h' => Callback::HttpCallResponse(number, number >> 8, number >> 16),
            b'g' => Callback::GrpcReceive(number, number >> 8),
            b'e' => Callback::GrpcClose(number, number >> 8),
            b'd' => Callback::Done,
            b'l' => Callback::Log,
            _ => Callback::Delete,
        };
        let ends_root = matches!(callback, Callback::Done | Callback::Delete) && context == ROOT;
        // A context made anew forgets what it had begun.
        self.spoiled |= ends_root || matches!(callback, Callback::ContextCreate(_));
        self.vm.callback(context, callback).expect("no trap");
    }

    /// Closes all streams, answers all calls, and looks at the counters.
    fn end(&mut self) {
        for stream in std::mem::take(&mut self.streams) {
            self.vm.close_stream(stream).expect("no trap");
        }
        self.waiting = HeaderList::default();
        for _ in 0..64 {
            if self.spoiled {
                return;
            }
            self.tick(Duration::from_secs(2));
            for call in std::mem::take(&mut self.calls) {
                let reply = accept(&call);
                self.vm.answer(call.token, reply).expect("no trap");
            }
            if self.metric("meshspan_queue_spans") == 0 {
                break;
            }
        }
        self.tick(Duration::ZERO);
        self.vm.take_logs();
        self.assert_counters_add_up();
    }

    fn assert_counters_add_up(&self) {
        let metrics = self.vm.metrics();
        let places = metrics.keys().filter(|name| {
            name.starts_with("meshspan_spans_dropped")
                || matches!(name.as_str(), "meshspan_spans_exported" | "meshspan_spans_rejected")
        });
        let placed: u64 = places.map(|name| self.metric(name)).sum();
        let finished = self.metric("meshspan_spans_finished");
        assert_eq!(self.metric("meshspan_queue_spans"), 0, "all has been answered: {metrics:?}");
        assert_eq!(finished, placed, "{metrics:?}");
        assert_eq!(self.metric("meshspan_spans_started"), finished, "no stream is open: {metrics:?}");
    }

    fn metric(&self, name: &str) -> u64 {
        match self.vm.metrics().get(name) {
            Some(MetricValue::Counter(value) | MetricValue::Gauge(value)) => *value,
            other => panic!("{name} is {other:?}"),
        }
    }

    /// The headers that wait, which the pure modules have been shown natively, too.
    fn take(&mut self) -> HeaderMap {
        let list = std::mem::take(&mut self.waiting);
        native::ingress(&list.headers(), &list.headers());
        HeaderMap::from_pairs(list.into_pairs())
    }

    fn stream(&self, n: usize) -> Option<StreamId> {
        self.streams.get(n.checked_rem(self.streams.len())?).copied()
    }
}

fn assert_goes_on(verdict: Result<Verdict, VmError>, after: &HeaderMap, before: &HeaderMap) {
    assert_eq!(verdict.expect("no trap"), Verdict::Continue);
    assert!(after.iter().eq(before.iter()), "a response is never touched");
}
