//! What was seen of a span's way, and how a whole station is worded.

use super::{Counters, Formats, Metrics, Stage};
use crate::counted::counted;
use crate::view::Trace;

/// All that was seen; whatever nobody looked at is `None`.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Of the requests of a recording.
    pub formats: Option<Formats>,
    /// Of the filters of a proxy, or of a replay.
    pub filter: Option<Seen<Counters>>,
    /// Of the proxy's way to the collector.
    pub cluster: Option<Cluster>,
    /// Of a viewer, or a store.
    pub visible: Option<Visible>,
}

/// Something that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is there.
    Found(T),
    /// It is not, although it was looked for.
    Missing,
}

/// The proxy's cluster that the filter exports through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Whether the proxy has it at all.
    pub exists: bool,
    /// Hosts in it, whatever their health.
    pub hosts: u64,
    /// Connections that could not be made, or took too long.
    pub connect_failures: u64,
    /// Failed TLS handshakes.
    pub tls_failures: u64,
    /// Connections on which something else than HTTP was spoken.
    pub protocol_errors: u64,
    /// Answers with 4xx or 5xx.
    pub refusals: u64,
    /// Requests that took too long.
    pub timeouts: u64,
}

const MEMBERS: &str = "envoy_cluster_membership_total";

impl Cluster {
    /// What Envoy says of the cluster; `None` if this is no Envoy, or one of Istio's, which tells of few clusters unless
    /// asked to: this one may be there nevertheless.
    pub fn read(name: &str, metrics: &Metrics) -> Option<Self> {
        const OWN: &str = "envoy_cluster_name";
        const ISTIO: &str = "cluster_name";
        let told = |label| metrics.sum_of(MEMBERS, &[(label, name)]).is_some();
        let label = if told(ISTIO) { ISTIO } else { OWN };
        if label == OWN && !metrics.is_labelled(MEMBERS, OWN) {
            return None;
        }
        let cluster = (label, name);
        let sum = |metric: &str| metrics.sum_of(&format!("envoy_cluster_{metric}"), &[cluster]);
        let total = |metrics: &[&str]| metrics.iter().filter_map(|metric| sum(metric)).sum();
        let answers = |class| {
            metrics.sum_of("envoy_cluster_upstream_rq_xx", &[cluster, ("envoy_response_code_class", class)])
        };
        Some(Self {
            name: name.to_owned(),
            exists: sum("membership_total").is_some(),
            hosts: total(&["membership_total"]),
            connect_failures: total(&["upstream_cx_connect_fail", "upstream_cx_connect_timeout"]),
            tls_failures: total(&[
                "ssl_connection_error",
                "ssl_fail_verify_error",
                "ssl_fail_verify_san",
                "ssl_fail_verify_no_cert",
                "ssl_fail_verify_cert_hash",
            ]),
            protocol_errors: total(&["upstream_cx_protocol_error"]),
            refusals: ["4", "5"].into_iter().filter_map(answers).sum(),
            timeouts: total(&["upstream_rq_timeout"]),
        })
    }
}

/// What can be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visible {
    /// Who was asked.
    pub place: String,
    /// What was looked for.
    pub sought: String,
    /// Traces found and looked at.
    pub traces: u64,
    /// Whether there are more, at which nobody looked.
    pub more: bool,
    /// Their spans.
    pub spans: u64,
    /// Spans whose parent is missing.
    pub orphans: u64,
    /// The first break in them, as [`Trace::breaks`] explains it.
    pub first_break: Option<String>,
}

impl Visible {
    /// What `place` answered to the question for `sought`.
    pub fn of(place: &str, sought: &str, traces: &[Trace]) -> Self {
        let count = |number: usize| number as u64;
        Self {
            place: place.to_owned(),
            sought: sought.to_owned(),
            traces: count(traces.len()),
            more: false,
            spans: traces.iter().map(|trace| count(trace.nodes.len())).sum(),
            orphans: traces.iter().map(|trace| count(trace.orphans())).sum(),
            first_break: traces.iter().flat_map(Trace::breaks).next().map(|found| found.explanation),
        }
    }
}

impl Evidence {
    /// The filter's counters, if there are any.
    pub(super) fn counters(&self) -> Option<&Counters> {
        match &self.filter {
            Some(Seen::Found(counters)) => Some(counters),
            Some(Seen::Missing) | None => None,
        }
    }

    /// What was seen of a station at which nothing is broken; `None` if nobody looked.
    pub(super) fn seen(&self, stage: Stage) -> Option<String> {
        if stage == Stage::Visible {
            return self.visible.as_ref().map(|visible| {
                let least = if visible.more { "at least " } else { "" };
                let (traces, spans) = (counted(visible.traces, "trace"), counted(visible.spans, "span"));
                format!("{}: {least}{traces} with {spans} of {}", visible.place, visible.sought)
            });
        }
        let counters = self.counters()?;
        Some(match stage {
            Stage::Header => match &self.formats {
                Some(formats) => format!(
                    "of {}, {} with a trace context: {}",
                    counted(formats.requests, "request"),
                    formats.readable,
                    formats.by_header()
                ),
                None => "requests carry a trace context".to_owned(),
            },
            Stage::Sampled => {
                format!("{} sampled, {} not", counted(counters.started, "span"), counters.sampled_out)
            }
            Stage::Started => {
                format!("{} started, {} of them ended", counted(counters.started, "span"), counters.finished)
            }
            Stage::Queued => {
                format!("the queue had room for all; in it: {}", counted(counters.queued, "span"))
            }
            Stage::Sent => counted(counters.attempted, "export request"),
            Stage::Accepted => format!("the collector took {}", counted(counters.exported, "span")),
            Stage::Visible => return None,
        })
    }

    /// What breaks nothing, and should be known.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(formats) = &self.formats {
            let unread = formats.unread_by_linkerd();
            if unread > 0 {
                notes.push(format!(
                    "the trace is named in one b3 header only by {}: this filter reads it, Linkerd's proxy does not",
                    counted(unread, "request")
                ));
            }
            if formats.readable > 0 && !formats.foreign().is_empty() {
                notes.push(format!("not read, and passed on untouched: {}", formats.foreign()));
            }
        }
        if let Some(counters) = self.counters().filter(|counters| counters.saw_a_context()) {
            if counters.outbound_without_context > 0 {
                notes.push(format!(
                    "no trace context in {}: if they were made while handling a traced request, \
                     the application lost it and has to pass the headers on",
                    counted(counters.outbound_without_context, "outbound request")
                ));
            }
            if counters.invalid > 0 {
                notes.push(format!("there and invalid: {}", counted(counters.invalid, "trace context")));
            }
        }
        notes
    }
}
