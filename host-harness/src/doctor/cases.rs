//! What breaks at which station, how it shows, and what to change. Among them is each case of Linkerd's
//! "I don't see any spans for the proxies": <https://linkerd.io/2/tasks/distributed-tracing/>

use super::{Cluster, Evidence, Seen, Stage};
use crate::counted::counted;

/// One way to lose spans.
pub(super) struct Case {
    pub(super) stage: Stage,
    /// What was seen, if it is this.
    pub(super) found: fn(&Evidence) -> Option<String>,
    pub(super) advice: &'static str,
}

/// In the order of the way; at one station the first that fits is told.
pub(super) const CASES: &[Case] = &[
    Case {
        stage: Stage::Header,
        found: |evidence| {
            (evidence.filter == Some(Seen::Missing))
                .then(|| "the proxy has no meshspan_* counters".to_owned())
        },
        advice: "the filter is not loaded, or its configuration was refused: look for \"meshspan\" and \"wasm\" in the \
                 proxy's log, and try the configuration with `meshspan check`",
    },
    Case { stage: Stage::Header, found: foreign_format, advice: FOREIGN },
    Case { stage: Stage::Header, found: invalid_context, advice: INVALID },
    Case { stage: Stage::Header, found: no_context, advice: NO_CONTEXT },
    Case {
        stage: Stage::Sampled,
        found: |evidence| {
            let counters = evidence.counters().filter(|counters| counters.started == 0)?;
            (counters.sampled_out > 0)
                .then(|| format!("sampled out: all of {}", counted(counters.sampled_out, "span")))
        },
        advice: "whoever begins the trace decides, which is the ingress as a rule: raise its rate (a context ends with \
                 -01, or has x-b3-sampled: 1), or see which of sampling.rules in the filter's configuration says drop",
    },
    Case {
        stage: Stage::Started,
        found: |evidence| {
            let counters = evidence.counters().filter(|counters| counters.finished == 0)?;
            (counters.started > 0)
                .then(|| format!("{} started, none has ended", counted(counters.started, "span")))
        },
        advice: "a span ends with its stream: long ones (server-sent events, WebSocket, gRPC streams) show when they are \
                 over; send a short request and ask again",
    },
    Case {
        stage: Stage::Queued,
        found: |evidence| {
            let counters = evidence.counters()?;
            (counters.queue_full > 0).then(|| {
                format!(
                    "of {}, {} found the queue full",
                    counted(counters.finished, "span"),
                    counters.queue_full
                )
            })
        },
        advice: "the collector takes them too slowly: see the stations below, or raise export.max_queue_spans and \
                 export.max_queue_bytes",
    },
    Case {
        stage: Stage::Sent,
        found: |evidence| {
            let counters = evidence.counters().filter(|counters| counters.attempted == 0)?;
            (counters.finished > 0)
                .then(|| format!("nothing was sent; in the queue: {}", counted(counters.queued, "span")))
        },
        advice: "spans are sent after export.max_delay_ms or when a batch is full: ask again in a few seconds; if it \
                 stays so, look for \"meshspan\" in the proxy's log",
    },
    Case { stage: Stage::Accepted, found: no_cluster, advice: NO_CLUSTER },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            failing(evidence, |cluster| cluster.tls_failures, "TLS handshakes with the collector failed")
        },
        advice: "the two do not agree who the collector is: it must be in the mesh, and its identity (collector.meshIdentity: \
                 service account, namespace, trust domain, which need not be the cluster's domain) the one that the \
                 proxy expects",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            failing(evidence, |cluster| cluster.protocol_errors, "connections spoke something else than HTTP")
        },
        advice: "one side speaks TLS and the other does not (is the collector in the mesh?), or the cluster lacks HTTP/2, \
                 which gRPC needs; OTLP/gRPC is usually port 4317 and OTLP/HTTP 4318",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            failing(
                evidence,
                |cluster| cluster.connect_failures,
                "connections to the collector could not be made",
            )
        },
        advice: "nothing listens at the cluster's address: start the collector, or mend host and port (OTLP/gRPC is \
                 usually 4317, OTLP/HTTP 4318)",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            failing(evidence, |cluster| cluster.timeouts, "export requests got no answer in time")
        },
        advice: "raise export.timeout_ms, or give the collector more room; its own log says what it waits for",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            failing(evidence, |cluster| cluster.refusals, "export requests were answered with an error")
        },
        advice: "the collector refuses them: check export.path, export.headers (a token?) and whether its traces pipeline \
                 receives OTLP; the proxy's log has its message",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            let counters = evidence.counters().filter(|counters| counters.rejected > 0)?;
            Some(format!(
                "the collector rejected {} in partial successes",
                counted(counters.rejected, "span")
            ))
        },
        advice: "the proxy's log has the collector's reason",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            let counters = evidence.counters()?;
            let lost = counters.export_failed;
            (lost > 0 || (counters.exported == 0 && counters.failed > 0)).then(|| {
                format!(
                    "of {}, {} failed; given up: {}",
                    counted(counters.attempted, "export request"),
                    counters.failed,
                    counted(lost, "span")
                )
            })
        },
        advice: "the proxy's log names the cluster and the collector's answer; `meshspan collect` is a collector to try with",
    },
    Case {
        stage: Stage::Accepted,
        found: |evidence| {
            let counters = evidence.counters()?;
            (counters.attempted > 0 && counters.exported == 0)
                .then(|| format!("no answer yet to {}", counted(counters.attempted, "export request")))
        },
        advice: "ask again in a few seconds; if it stays so, the collector accepts connections and does not answer",
    },
    Case {
        stage: Stage::Visible,
        found: |evidence| {
            let visible = evidence.visible.as_ref().filter(|visible| visible.traces == 0)?;
            Some(format!("{} has no {}", visible.place, visible.sought))
        },
        advice: "the collector sends its spans elsewhere, or later: check its exporters, that the viewer asks the same \
                 backend, and the time range of the search",
    },
    Case {
        stage: Stage::Visible,
        found: |evidence| {
            let visible = evidence.visible.as_ref().filter(|visible| visible.orphans > 0)?;
            let first = visible.first_break.as_deref().unwrap_or_default();
            Some(format!(
                "traces are in pieces: of {}, {} cut off from what is above; {first}",
                counted(visible.spans, "span"),
                visible.orphans
            ))
        },
        advice: "mend the workload named first and ask again: each span that is missing, or in a circle, hides what is below it",
    },
];

const FOREIGN: &str = "this filter, like Linkerd's proxy, reads W3C Trace Context and B3: set the applications' libraries to \
                       it, with OpenTelemetry's by OTEL_PROPAGATORS=tracecontext,baggage or =b3multi";

fn foreign_format(evidence: &Evidence) -> Option<String> {
    let formats = evidence.formats.as_ref().filter(|formats| formats.readable == 0)?;
    let foreign = formats.foreign();
    (!foreign.is_empty()).then(|| format!("requests carry trace headers of other formats only: {foreign}"))
}

const INVALID: &str = "trace and parent ids are lower-case hexadecimal of full length and not all zero (W3C Trace Context \
                       §3.2): mend whoever writes the header; `meshspan proxy --record` shows what arrives";

fn invalid_context(evidence: &Evidence) -> Option<String> {
    let counters = evidence.counters().filter(|counters| !counters.saw_a_context())?;
    (counters.invalid > 0).then(|| format!("invalid: all of {}", counted(counters.invalid, "trace context")))
}

const NO_CONTEXT: &str = "the filter, like Linkerd's proxy, takes part in traces and begins none: let the ingress create \
                          the root span (start_traces: true in the configuration of its filter) or the first \
                          application, and let every application pass the headers on";

fn no_context(evidence: &Evidence) -> Option<String> {
    let counters = evidence.counters().filter(|counters| !counters.saw_a_context())?;
    Some(match (&evidence.formats, counters.outbound_without_context) {
        (Some(formats), _) => {
            format!("none of {} carries a trace context", counted(formats.requests, "request"))
        }
        (None, 0) => "no request has carried a trace context, or none has come".to_owned(),
        (None, lost) => format!("no request has carried a trace context, {lost} outbound ones among them"),
    })
}

const NO_CLUSTER: &str = "export.cluster in the filter's configuration must name a cluster of the proxy with the collector's \
                          address in it; --cluster tells another name here";

fn no_cluster(evidence: &Evidence) -> Option<String> {
    let counters = evidence.counters().filter(|counters| counters.exported == 0)?;
    let cluster = evidence.cluster.as_ref().filter(|_| counters.attempted > 0)?;
    match (cluster.exists, cluster.hosts) {
        (false, _) => Some(format!("the proxy has no cluster {:?} to export to", cluster.name)),
        (true, 0) => Some(format!("the cluster {:?} has no host", cluster.name)),
        (true, _) => None,
    }
}

/// What the cluster has counted, if spans do not arrive.
fn failing(evidence: &Evidence, count: fn(&Cluster) -> u64, what: &str) -> Option<String> {
    let counters = evidence.counters()?;
    let is_losing = counters.exported == 0 || counters.export_failed > 0;
    let cluster = evidence.cluster.as_ref().filter(|_| is_losing)?;
    let times = count(cluster);
    (times > 0).then(|| format!("cluster {:?}: {what}: {times}", cluster.name))
}
