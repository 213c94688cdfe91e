//! The tracing filter in a real Envoy, in the harness and in `meshspan proxy`: the spans of each exchange, as lines.

use std::collections::BTreeMap;
use std::time::Duration;

use meshspan::collect::{accept, decode_call};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::ours::Ours;
use super::scene::Scene;
use crate::sink::Sink;
use crate::wait;

/// Attributes that are another place in each host.
const PLACES: [&str; 2] = ["client.port", "network.peer.port"];

/// Both proxies, each with a collector, and the harness.
#[derive(Debug)]
pub struct Traced {
    /// To play in.
    pub scene: Scene,
    /// To be driven, under the name `meshspan`.
    pub ours: Ours,
    sinks: [Sink; 2],
}

impl Traced {
    /// Starts them.
    pub fn start() -> Traced {
        let sinks = [Sink::start(), Sink::start()];
        let (scene, configuration) = Scene::of_filter([sinks[0].port(), sinks[1].port()]);
        Traced { scene, ours: Ours::tracing(&configuration), sinks }
    }

    /// The spans by exchange: Envoy's, the proxy's and the harness's.
    pub fn spans(&mut self) -> [BTreeMap<usize, Vec<String>>; 3] {
        let [envoy, live] = self.sinks.each_ref().map(settled);
        [envoy, live, self.flushed()].map(|spans| told(&spans))
    }

    /// Ticks until the batch is due, and answers the exports as a collector would.
    fn flushed(&mut self) -> Vec<Span> {
        let (vm, mut spans) = (self.ours.vm("meshspan"), Vec::new());
        for _ in 0..3 {
            vm.set_time(vm.now().plus(Duration::from_secs(1)));
            vm.tick().expect("the filter ticks");
            for call in vm.take_calls() {
                let export =
                    decode_call(&call).expect("the filter only exports").expect("its export is OTLP");
                let scopes = export.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                spans.extend(scopes.flat_map(|scope| scope.spans));
                vm.answer(call.token, accept(&call)).expect("the filter takes the answer");
            }
        }
        spans
    }
}

/// All spans, once no more have come for some batches' time.
fn settled(sink: &Sink) -> Vec<Span> {
    let mut before = 0;
    wait::until("spans", || {
        std::thread::sleep(Duration::from_millis(500));
        let spans = sink.spans();
        (std::mem::replace(&mut before, spans.len()) == spans.len() && before > 0).then_some(spans)
    })
}

/// Spans by exchange, which is the number that its trace has for an id.
fn told(spans: &[Span]) -> BTreeMap<usize, Vec<String>> {
    let mut traces: BTreeMap<usize, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let [.., high, low] = span.trace_id[..] else { continue };
        traces.entry(usize::from(high) << 8 | usize::from(low)).or_default().push(span);
    }
    traces.into_iter().map(|(number, spans)| (number, tree(&spans))).collect()
}

/// Each span below its parent, the first ones below the client's.
fn tree(spans: &[&Span]) -> Vec<String> {
    let is_known = |id: &[u8]| spans.iter().any(|span| span.span_id == id);
    let tops = spans.iter().filter(|span| !is_known(&span.parent_span_id));
    let mut all: Vec<_> = tops.map(|top| branch(spans, top, 0)).collect();
    all.sort();
    all.concat()
}

fn branch(spans: &[&Span], span: &Span, depth: usize) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let status =
        span.status.as_ref().map(|status| (status.code, status.message.as_str())).unwrap_or_default();
    let mut lines = vec![format!("{indent}span {:?} of kind {}, status {status:?}", span.name, span.kind)];
    let mut attributes: Vec<_> = span
        .attributes
        .iter()
        .map(|attribute| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            _ if PLACES.contains(&attribute.key.as_str()) => format!("{indent}{}: …", attribute.key),
            Some(Value::StringValue(text)) => format!("{indent}{}: {text}", attribute.key),
            other => format!("{indent}{}: {other:?}", attribute.key),
        })
        .collect();
    attributes.sort();
    lines.extend(attributes);
    lines.extend(span.events.iter().map(|event| format!("{indent}event {}", event.name)));
    let mut below: Vec<_> = spans
        .iter()
        .filter(|one| one.parent_span_id == span.span_id)
        .map(|one| branch(spans, one, depth + 1))
        .collect();
    below.sort();
    lines.extend(below.concat());
    lines
}
