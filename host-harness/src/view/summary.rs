//! What a run came to, as one document: the summary table and `-o json` are both made from it.
//! Schema: `schemas/summary.schema.json`, generated from these types.

mod filter;
mod policies;

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    collect::{SpanKind, SpanRecord, Status},
    export::ExportReport,
    replay::{ReplayStats, Times},
    view::{
        Trace, duration,
        tally::{Kept, Tally},
        units::nanos,
    },
};

pub use filter::FilterDeeds;
pub use policies::PolicyKept;

/// Version of the document; it grows when a key changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// Always 1 for this shape.
    pub schema_version: u32,
    /// Exchanges replayed.
    pub exchanges: u64,
    /// Entries of the recording that could not be replayed, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Passes of a request through a proxy.
    pub proxy_passes: u64,
    /// Of those, how many the filter recorded, by its configuration's decision: SERVER spans of proxies.
    pub recorded_passes: u64,
    /// Traces with at least one span.
    pub traces: u64,
    /// How many spans, and of which sort.
    pub spans: SpanCounts,
    /// How much all spans are for a collector; null if they take no time.
    pub volume: Option<Volume>,
    /// How much would be left at other sampling ratios, as they were asked for.
    pub what_if: Vec<WhatIf>,
    /// How much would be left with other sampling policies, as they were asked for.
    pub policies: Vec<PolicyKept>,
    /// Spans whose parent is missing from their trace.
    pub orphans: u64,
    /// Workloads that sent requests without the trace of the request that they were handling.
    pub lost_context: Vec<LostContext>,
    /// Spans that never left the filter, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// What became of the export; null if no endpoint was given.
    pub export: Option<ExportSummary>,
    /// What the filter did to the traffic itself.
    pub filter: FilterDeeds,
    /// Real time that the filter took; null if there was no pass.
    pub filter_time_per_pass: Option<FilterTime>,
    /// The trace that is shown as a waterfall; null if there was none to show.
    pub trace: Option<TraceSummary>,
}

/// How many spans there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SpanCounts {
    /// All of them.
    pub total: u64,
    /// Made by the filter.
    pub proxy: u64,
    /// Made by applications.
    pub application: u64,
    /// By kind: `server`, `client`, …
    pub by_kind: BTreeMap<String, u64>,
    /// By `service.name`.
    pub by_service: BTreeMap<String, ServiceSpans>,
}

/// The spans of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ServiceSpans {
    /// Made by the filter in its proxies.
    pub proxy: u64,
    /// Made by its application.
    pub application: u64,
    /// All of them, encoded as OTLP.
    pub bytes: u64,
    /// A second of recorded time; null if there was none.
    pub spans_per_second: Option<f64>,
    /// A second of recorded time; null if there was none.
    pub bytes_per_second: Option<f64>,
}

/// Spans by recorded time: from the first start to the last end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Volume {
    /// Recorded time.
    pub seconds: f64,
    /// All spans, encoded as OTLP.
    pub bytes: u64,
    /// A second.
    pub spans_per_second: f64,
    /// A second.
    pub bytes_per_second: f64,
    /// Of 86,400 seconds: what a collector or its operator is paid for.
    pub bytes_per_day: f64,
}

/// What a sampling ratio would leave of what was recorded; decided for each trace by its id, as
/// OpenTelemetry's consistent probability sampling does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WhatIf {
    /// 0 to 1.
    pub ratio: f64,
    /// Traces kept.
    pub traces: u64,
    /// Spans kept.
    pub spans: u64,
    /// How much those are; null if the spans take no time.
    pub volume: Option<Volume>,
}

/// A workload that broke traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LostContext {
    /// Its name in the topology.
    pub workload: String,
    /// Requests that it sent without their trace.
    pub requests: u64,
    /// What is wrong and what to mend, in a sentence.
    pub explanation: String,
}

/// What became of the export; the three sums and what is queued nowhere make up all spans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExportSummary {
    /// Taken by the collector.
    pub exported: u64,
    /// Refused by the collector.
    pub rejected: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Attempts after the first of each request.
    pub retries: u64,
    /// What the collector had to say.
    pub warnings: Vec<String>,
    /// Why spans were dropped, in full; null if none were.
    pub failure: Option<String>,
}

/// Real time in the filter, a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FilterTime {
    /// Half of the passes took no longer. Each to three figures.
    pub p50_ns: u64,
    /// 90 of 100 took no longer.
    pub p90_ns: u64,
    /// 99 of 100 took no longer.
    pub p99_ns: u64,
}

/// One trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TraceSummary {
    /// 32 hex digits.
    pub trace_id: String,
    /// From the first start to the last end.
    pub duration_ns: u64,
    /// Time spent in proxies.
    pub proxy_ns: u64,
    /// Time spent between them.
    pub wire_ns: u64,
    /// Time spent in applications.
    pub application_ns: u64,
    /// Depth first: each before its children.
    pub spans: Vec<TraceSpan>,
}

/// One span of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TraceSpan {
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits; null for a root.
    pub parent_span_id: Option<String>,
    /// Steps from its root.
    pub depth: u64,
    /// Its name.
    pub name: String,
    /// `service.name`.
    pub service: String,
    /// `server`, `client`, …
    pub kind: String,
    /// Whether the filter made it.
    pub proxy: bool,
    /// `inbound` or `outbound`, if the span says so.
    pub direction: Option<String>,
    /// After the start of the trace.
    pub start_offset_ns: u64,
    /// How long it took.
    pub duration_ns: u64,
    /// For a proxy's SERVER span: how much longer it is than its CLIENT spans.
    pub proxy_overhead_ns: Option<u64>,
    /// `unset`, `ok` or `error`.
    pub status: String,
}

impl Summary {
    /// Sums up a run; `shown` is the trace that is shown as a waterfall.
    pub fn new(
        stats: &ReplayStats,
        tally: &Tally,
        export: Option<&ExportReport>,
        shown: Option<&Trace>,
    ) -> Summary {
        let time = tally.span_of_time.map(|(start, end)| end.since(start)).filter(|time| !time.is_zero());
        let volume = |spans, bytes| time.map(|time| Volume::of(spans, bytes, time));
        let what_if = |kept: &Kept| WhatIf {
            ratio: kept.ratio,
            traces: kept.traces,
            spans: kept.spans,
            volume: volume(kept.spans, kept.bytes),
        };
        Summary {
            schema_version: SCHEMA_VERSION,
            exchanges: stats.exchanges,
            skipped: stats.skipped.iter().map(|(reason, skipped)| (reason.clone(), skipped.count)).collect(),
            proxy_passes: stats.passes,
            recorded_passes: tally.recorded_passes,
            traces: tally.traces,
            spans: tally.counts.clone().with_rates(time),
            volume: volume(tally.counts.total, tally.bytes),
            what_if: tally.what_if.iter().map(what_if).collect(),
            policies: Vec::new(),
            orphans: tally.orphans,
            lost_context: stats.lost_context.iter().map(|(name, &requests)| lost(name, requests)).collect(),
            dropped: stats.dropped.iter().filter(|(_, n)| **n > 0).map(|(k, n)| (k.clone(), *n)).collect(),
            export: export.map(ExportSummary::from),
            filter: FilterDeeds::from(stats),
            filter_time_per_pass: filter_time(&stats.filter_time),
            trace: shown.map(TraceSummary::from),
        }
    }
}

impl SpanCounts {
    /// Counts one span; `bytes` is its size as OTLP.
    pub(super) fn add(&mut self, service: &str, is_proxy: bool, kind: SpanKind, bytes: u64) {
        self.total += 1;
        *self.by_kind.entry(kind.as_str().to_owned()).or_default() += 1;
        let service = self.by_service.entry(service.to_owned()).or_default();
        service.bytes += bytes;
        let (all, own) = match is_proxy {
            true => (&mut self.proxy, &mut service.proxy),
            false => (&mut self.application, &mut service.application),
        };
        *all += 1;
        *own += 1;
    }

    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.proxy += other.proxy;
        self.application += other.application;
        for (kind, count) in other.by_kind {
            *self.by_kind.entry(kind).or_default() += count;
        }
        for (name, more) in other.by_service {
            let service = self.by_service.entry(name).or_default();
            service.proxy += more.proxy;
            service.application += more.application;
            service.bytes += more.bytes;
        }
    }

    fn with_rates(mut self, time: Option<Duration>) -> Self {
        for service in self.by_service.values_mut() {
            let volume =
                time.map(|time| Volume::of(service.proxy + service.application, service.bytes, time));
            service.spans_per_second = volume.map(|volume| volume.spans_per_second);
            service.bytes_per_second = volume.map(|volume| volume.bytes_per_second);
        }
        self
    }
}

impl Volume {
    fn of(spans: u64, bytes: u64, time: Duration) -> Self {
        let seconds = time.as_secs_f64();
        let bytes_per_second = bytes as f64 / seconds;
        Self {
            seconds,
            bytes,
            spans_per_second: spans as f64 / seconds,
            bytes_per_second,
            bytes_per_day: bytes_per_second * 86_400.0,
        }
    }
}

impl From<&ExportReport> for ExportSummary {
    fn from(report: &ExportReport) -> Self {
        Self {
            exported: report.exported,
            rejected: report.rejected,
            dropped: report.dropped.clone(),
            retries: report.retries,
            warnings: report.warnings.clone(),
            failure: report.failure.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&Trace> for TraceSummary {
    fn from(trace: &Trace) -> Self {
        let passes = trace.passes();
        let sum = trace.breakdown();
        let spans = trace.nodes.iter().enumerate().map(|(at, node)| {
            let overhead = passes.iter().find(|pass| pass.server == at).map(|pass| nanos(pass.overhead));
            trace_span(trace, &node.span, node.depth, overhead)
        });
        Self {
            trace_id: hex::encode(trace.trace_id),
            duration_ns: nanos(trace.duration()),
            proxy_ns: nanos(sum.proxy),
            wire_ns: nanos(sum.wire),
            application_ns: nanos(sum.application),
            spans: spans.collect(),
        }
    }
}

fn trace_span(trace: &Trace, span: &SpanRecord, depth: usize, proxy_overhead_ns: Option<u64>) -> TraceSpan {
    let status = match span.status {
        Status::Unset => "unset",
        Status::Ok => "ok",
        Status::Error(_) => "error",
    };
    TraceSpan {
        span_id: hex::encode(span.span_id),
        parent_span_id: span.parent.map(hex::encode),
        depth: count(depth),
        name: span.name.clone(),
        service: span.service.clone(),
        kind: span.kind.as_str().to_owned(),
        proxy: span.is_proxy,
        direction: span.direction.map(|direction| direction.as_str().to_owned()),
        start_offset_ns: nanos(span.start.since(trace.start)),
        duration_ns: nanos(span.end.since(span.start)),
        proxy_overhead_ns,
        status: status.to_owned(),
    }
}

fn lost(workload: &str, requests: u64) -> LostContext {
    let plural = if requests == 1 { "request" } else { "requests" };
    LostContext {
        workload: workload.to_owned(),
        requests,
        explanation: format!(
            "{workload} received a trace and sent {requests} {plural} without it: its application must copy the \
             trace headers from the request that it handles to those that it makes"
        ),
    }
}

fn filter_time(times: &Times) -> Option<FilterTime> {
    let quantile = |share| times.quantile(share).map(nanos);
    Some(FilterTime { p50_ns: quantile(0.5)?, p90_ns: quantile(0.9)?, p99_ns: quantile(0.99)? })
}

impl std::fmt::Display for FilterTime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |nanos| duration(Duration::from_nanos(nanos));
        let Self { p50_ns, p90_ns, p99_ns } = *self;
        write!(formatter, "p50 {}, p90 {}, p99 {}", text(p50_ns), text(p90_ns), text(p99_ns))
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
