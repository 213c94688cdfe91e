//! The variants: how each Envoy traces, and which requests come sampled.

use std::ops::Range;

/// One way to run Envoy.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    /// Its name on the command line and its spans' `service.name`.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    tracing: Tracing,
    /// One request in so many has the sampled flag; no request if there is no number.
    sampled_one_in: Option<usize>,
}

/// Who traces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tracing {
    Nobody,
    /// Envoy's OpenTelemetry tracer with its defaults: five spans an export, or five seconds.
    Native,
    /// The same with batches as large and as old as ours: 512 spans, or one second.
    NativeTuned,
    /// A wasm filter with our callbacks, all empty.
    Nothing,
    Meshspan,
}

/// The first is what the others are compared with.
pub(crate) const VARIANTS: [Variant; 9] = [
    Variant::new("none", "no tracing", Tracing::Nobody, Some(1)),
    Variant::new("native-100", "native, 100 %, flush 5", Tracing::Native, Some(1)),
    Variant::new("native-100-tuned", "native, 100 %, flush 512", Tracing::NativeTuned, Some(1)),
    Variant::new("native-1", "native, 1 %, flush 5", Tracing::Native, Some(100)),
    Variant::new("native-1-tuned", "native, 1 %, flush 512", Tracing::NativeTuned, Some(100)),
    Variant::new("nothing", "wasm that does nothing", Tracing::Nothing, Some(1)),
    Variant::new("meshspan-100", "meshspan, 100 %", Tracing::Meshspan, Some(1)),
    Variant::new("meshspan-1", "meshspan, 1 %", Tracing::Meshspan, Some(100)),
    Variant::new("meshspan-0", "meshspan, not sampled", Tracing::Meshspan, None),
];

/// SERVER and CLIENT; the native tracer's with `spawn_upstream_span`.
const SPANS_PER_REQUEST: usize = 2;

const BOOTSTRAP: &str = include_str!("bootstrap.yaml");
const NATIVE: &str = include_str!("native.yaml");
const WASM: &str = include_str!("wasm.yaml");
const NOTHING: &str = include_str!("nothing.wat");
const TUNED: &str =
    "{ tracing.opentelemetry.min_flush_spans: 512, tracing.opentelemetry.flush_interval_ms: 1000 }";

impl Variant {
    const fn new(
        name: &'static str,
        title: &'static str,
        tracing: Tracing,
        sampled_one_in: Option<usize>,
    ) -> Variant {
        Variant { name, title, tracing, sampled_one_in }
    }

    /// Whether the load's request of this number carries the sampled flag.
    pub(crate) fn samples(&self, request: usize) -> bool {
        self.sampled_one_in.is_some_and(|every| request.is_multiple_of(every))
    }

    /// The spans that the requests of these numbers must give.
    pub(crate) fn spans(&self, requests: Range<usize>) -> usize {
        match self.tracing {
            Tracing::Nobody | Tracing::Nothing => 0,
            _ => SPANS_PER_REQUEST * requests.filter(|request| self.samples(*request)).count(),
        }
    }

    /// Whether it is measured with long bodies: those who sample all or none, with batches of one size.
    pub(crate) fn streams(&self) -> bool {
        self.tracing != Tracing::Native && self.sampled_one_in.is_none_or(|every| every == 1)
    }

    /// Envoy's configuration; ports and the filter's place are still to be replaced.
    pub(crate) fn bootstrap(&self) -> String {
        let native = BOOTSTRAP.replace("# tracing", &block(NATIVE, 16));
        let yaml = match self.tracing {
            Tracing::Nobody => BOOTSTRAP.to_owned(),
            Tracing::Native => native,
            Tracing::NativeTuned => native.replace("static_layer: {}", &format!("static_layer: {TUNED}")),
            Tracing::Nothing | Tracing::Meshspan => BOOTSTRAP.replace("# filter", &block(WASM, 18)),
        };
        yaml.replace("SERVICE", self.name)
    }

    /// The module to load, if this variant loads one.
    pub(crate) fn module(&self, meshspan: &[u8]) -> Option<Vec<u8>> {
        match self.tracing {
            Tracing::Nothing => Some(wat::parse_str(NOTHING).expect("a valid module")),
            Tracing::Meshspan => Some(meshspan.to_vec()),
            _ => None,
        }
    }
}

/// Indents every line but the first, which stands where the mark was.
fn block(text: &str, spaces: usize) -> String {
    text.trim_end().replace('\n', &format!("\n{}", " ".repeat(spaces)))
}
