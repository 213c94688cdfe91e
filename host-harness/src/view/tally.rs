//! Spans summed up as they come, in bounded memory: a trace is settled when nothing was added to it for a
//! while, and forgotten but for a few that are kept to be shown.
//!
//! `add(spans, now)`, `add(…)`, … → traces, orphans, spans and bytes by service

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;

use super::summary::SpanCounts;
use super::{Trace, traces};
use crate::collect::{PROXY_SCOPE, SpanKind, SpanRecord, kind, record, service_name};
use crate::time::Timestamp;

/// A trace that got no span for so long, by the clock that is handed in, is whole; it is settled within
/// twice that time.
const QUIET: Duration = Duration::from_secs(10);
/// Spans of traces that are not settled yet; beyond, the oldest trace is settled before its time.
const MAX_OPEN_SPANS: usize = 65_536;
/// Of those, how many are kept with all that they say, so that their traces can be shown.
const MAX_WHOLE_SPANS: usize = 1_024;
/// Traces kept to be shown.
const MAX_SHOWN: usize = 8;

/// How much a trace deserves to be shown: the highest does.
pub type Rank = fn(&Trace) -> (u64, u64);

/// Spans summed up.
#[derive(Debug)]
pub struct Tally {
    /// Spans by sort, kind and service.
    pub counts: SpanCounts,
    /// Traces settled.
    pub traces: u64,
    /// Spans of settled traces whose parent is missing.
    pub orphans: u64,
    /// SERVER spans of proxies: passes that were recorded.
    pub recorded_passes: u64,
    /// All spans, encoded for the wire.
    pub bytes: u64,
    /// From the first start to the last end.
    pub span_of_time: Option<(Timestamp, Timestamp)>,
    /// What would be left if fewer traces were sampled.
    pub what_if: Vec<Kept>,
    rank: Rank,
    /// With their ranks, the highest first.
    shown: Vec<((u64, u64), Trace)>,
    open: HashMap<[u8; 16], Open>,
    /// When each open trace may be settled, unless something is added to it until then.
    due: VecDeque<(Timestamp, [u8; 16])>,
    open_spans: usize,
    whole_spans: usize,
}

/// What a sampling ratio would keep. The decision is that of consistent probability sampling: a trace is
/// kept if the low 56 bits of its id are high enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// 0.0 to 1.0.
    pub ratio: f64,
    /// Traces.
    pub traces: u64,
    /// Their spans.
    pub spans: u64,
    /// Those encoded for the wire.
    pub bytes: u64,
}

/// A trace that may still get spans.
#[derive(Debug, Default)]
struct Open {
    /// Ids with their parents'; zero for none.
    spans: Vec<([u8; 8], [u8; 8])>,
    /// The spans, if there was room for all.
    whole: Option<Vec<SpanRecord>>,
    touched: Timestamp,
}

impl Tally {
    /// Of nothing yet; traces that `rank` high are kept to be shown, and `ratios` are tried out.
    pub fn new(rank: Rank, ratios: &[f64]) -> Self {
        let nothing = |&ratio| Kept { ratio, traces: 0, spans: 0, bytes: 0 };
        Self {
            counts: SpanCounts::default(),
            traces: 0,
            orphans: 0,
            recorded_passes: 0,
            bytes: 0,
            span_of_time: None,
            what_if: ratios.iter().map(nothing).collect(),
            rank,
            shown: Vec::new(),
            open: HashMap::new(),
            due: VecDeque::new(),
            open_spans: 0,
            whole_spans: 0,
        }
    }

    /// Adds spans; `now` never goes back.
    pub fn add(&mut self, spans: &[ResourceSpans], now: Timestamp) {
        for resource in spans {
            let service = service_name(resource);
            for scope in &resource.scope_spans {
                let scope_name = scope.scope.as_ref().map(|scope| scope.name.as_str()).unwrap_or_default();
                for span in &scope.spans {
                    self.add_span(span, &service, scope_name, now);
                }
            }
        }
        self.settle(Some(now));
    }

    /// Settles every trace.
    pub fn finish(&mut self) {
        self.settle(None);
    }

    /// Adds what another has settled.
    pub fn merge(&mut self, mut other: Self) {
        other.finish();
        self.cover(&other);
        self.counts.merge(other.counts);
        self.traces += other.traces;
        self.orphans += other.orphans;
        self.recorded_passes += other.recorded_passes;
        self.bytes += other.bytes;
        for (sum, more) in self.what_if.iter_mut().zip(other.what_if) {
            sum.traces += more.traces;
            sum.spans += more.spans;
            sum.bytes += more.bytes;
        }
        other.shown.into_iter().for_each(|(rank, trace)| self.show(rank, trace));
    }

    /// Takes the other's time for its own, too, so that the rates of both are by the same time.
    pub fn cover(&mut self, other: &Self) {
        if let Some((start, end)) = other.span_of_time {
            self.widen(start, end);
        }
    }

    /// The traces that rank highest among those that there was room for.
    pub fn shown(&self) -> impl Iterator<Item = &Trace> {
        self.shown.iter().map(|(_, trace)| trace)
    }

    fn add_span(&mut self, span: &Span, service: &str, scope: &str, now: Timestamp) {
        let (Ok(trace_id), Ok(span_id)) =
            (span.trace_id.as_slice().try_into(), span.span_id.as_slice().try_into())
        else {
            return;
        };
        let (is_proxy, kind) = (scope == PROXY_SCOPE, kind(span));
        let bytes = u64::try_from(span.encoded_len()).unwrap_or(u64::MAX);
        self.counts.add(service, is_proxy, kind, bytes);
        self.recorded_passes += u64::from(is_proxy && kind == SpanKind::Server);
        self.bytes += bytes;
        let instant = Timestamp::from_unix_nanos;
        self.widen(instant(span.start_time_unix_nano), instant(span.end_time_unix_nano));
        for kept in self.what_if.iter_mut().filter(|kept| is_kept(trace_id, kept.ratio)) {
            kept.spans += 1;
            kept.bytes += bytes;
        }
        let open = self.open.entry(trace_id).or_insert_with(|| {
            self.due.push_back((now, trace_id));
            Open { whole: Some(Vec::new()), ..Open::default() }
        });
        open.touched = now;
        open.spans.push((span_id, span.parent_span_id.as_slice().try_into().unwrap_or_default()));
        self.open_spans += 1;
        if self.whole_spans >= MAX_WHOLE_SPANS {
            self.whole_spans -= open.whole.take().map_or(0, |whole| whole.len());
        } else if let (Some(whole), Some(record)) = (&mut open.whole, record(span, service, scope)) {
            whole.push(record);
            self.whole_spans += 1;
        }
    }

    /// Settles the traces that are quiet at `now`, or all.
    fn settle(&mut self, now: Option<Timestamp>) {
        while let Some((since, trace_id)) = self.due.front().copied() {
            let is_full = self.open_spans > MAX_OPEN_SPANS;
            if now.is_some_and(|now| now.since(since) < QUIET) && !is_full {
                return;
            }
            self.due.pop_front();
            let touched = self.open.get(&trace_id).map_or(since, |open| open.touched);
            if now.is_some_and(|now| now.since(touched) < QUIET) && !is_full {
                self.due.push_back((touched, trace_id));
            } else if let Some(open) = self.open.remove(&trace_id) {
                self.settle_one(trace_id, open);
            }
        }
    }

    fn settle_one(&mut self, trace_id: [u8; 16], open: Open) {
        self.open_spans -= open.spans.len();
        self.traces += 1;
        self.orphans += orphans(&open.spans);
        self.what_if
            .iter_mut()
            .filter(|kept| is_kept(trace_id, kept.ratio))
            .for_each(|kept| kept.traces += 1);
        let Some(whole) = open.whole else { return };
        self.whole_spans -= whole.len();
        for trace in traces(whole) {
            self.show((self.rank)(&trace), trace);
        }
    }

    fn show(&mut self, rank: (u64, u64), trace: Trace) {
        let key = |rank: (u64, u64), trace: &Trace| (std::cmp::Reverse(rank), trace.start, trace.trace_id);
        let own = key(rank, &trace);
        let place = self.shown.partition_point(|(rank, trace)| key(*rank, trace) < own);
        if place < MAX_SHOWN {
            self.shown.insert(place, (rank, trace));
            self.shown.truncate(MAX_SHOWN);
        }
    }

    fn widen(&mut self, start: Timestamp, end: Timestamp) {
        let (first, last) = self.span_of_time.unwrap_or((start, end));
        self.span_of_time = Some((first.min(start), last.max(end)));
    }
}

/// Spans with a parent that is not among them, but for the entry of a trace without a root, as in
/// [`traces`].
fn orphans(spans: &[([u8; 8], [u8; 8])]) -> u64 {
    let mut ids: Vec<&[u8; 8]> = spans.iter().map(|(id, _)| id).collect();
    ids.sort_unstable();
    let (mut has_root, mut lost) = (false, 0_u64);
    for (id, parent) in spans {
        if *parent == [0; 8] {
            has_root = true;
        } else if parent == id || ids.binary_search(&parent).is_err() {
            lost += 1;
        }
    }
    lost.saturating_sub(u64::from(!has_root))
}

/// <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>
fn is_kept(trace_id: [u8; 16], ratio: f64) -> bool {
    const RANGE: u64 = 1 << 56;
    let randomness = (u128::from_be_bytes(trace_id) % u128::from(RANGE)) as f64;
    randomness >= (1.0 - ratio) * RANGE as f64
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::ScopeSpans;

    use super::*;

    fn spans(trace: u8, spans: &[(u8, u8)]) -> Vec<ResourceSpans> {
        let span = |&(id, parent): &(u8, u8)| Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
            start_time_unix_nano: id.into(),
            end_time_unix_nano: 100,
            ..Span::default()
        };
        let scope = ScopeSpans { spans: spans.iter().map(span).collect(), ..ScopeSpans::default() };
        vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }]
    }

    fn largest(trace: &Trace) -> (u64, u64) {
        (trace.nodes.len() as u64, 0)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_trace_is_settled_when_it_has_been_quiet() {
        let mut tally = Tally::new(largest, &[]);
        tally.add(&spans(1, &[(2, 1)]), at(0));
        tally.add(&spans(1, &[(1, 0)]), at(9));
        tally.add(&spans(2, &[(1, 0)]), at(18));
        assert_eq!((tally.traces, tally.open.len()), (0, 2));
        tally.add(&spans(3, &[(1, 0)]), at(28));
        assert_eq!((tally.traces, tally.orphans, tally.open.len()), (2, 0, 1), "its parent came in time");
        tally.finish();
        assert_eq!((tally.traces, tally.open.len(), tally.whole_spans, tally.open_spans), (3, 0, 0, 0));
        assert_eq!(tally.shown().map(|trace| trace.nodes.len()).collect::<Vec<_>>(), [2, 1, 1]);
    }

    #[test]
    fn orphans_are_those_of_the_trees() {
        let rows: [&[(u8, u8)]; 6] = [
            &[(1, 0), (2, 1)],
            &[(1, 0), (2, 9), (3, 2)],
            &[(1, 9), (2, 1)],
            &[(1, 8), (2, 9)],
            &[(2, 9), (1, 0)],
            &[(1, 1)],
        ];
        for row in rows {
            let mut tally = Tally::new(largest, &[]);
            tally.add(&spans(1, row), at(0));
            tally.finish();
            let trees = traces(crate::collect::records(&spans(1, row)));
            assert_eq!(
                tally.orphans,
                trees.iter().map(|trace| trace.orphans() as u64).sum::<u64>(),
                "{row:?}"
            );
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut tally = Tally::new(largest, &[]);
        for trace in 0..40_000_u32 {
            let mut one = spans(1, &[(1, 0), (2, 1)]);
            for span in &mut one[0].scope_spans[0].spans {
                span.trace_id[..4].copy_from_slice(&trace.to_be_bytes());
            }
            tally.add(&one, at(0));
            assert!(tally.open_spans <= MAX_OPEN_SPANS && tally.whole_spans <= MAX_WHOLE_SPANS);
        }
        tally.finish();
        assert_eq!((tally.traces, tally.counts.total, tally.orphans), (40_000, 80_000, 0));
        assert_eq!(tally.shown().count(), MAX_SHOWN);
    }

    #[test]
    fn a_ratio_keeps_the_traces_with_the_highest_ids() {
        let mut tally = Tally::new(largest, &[1.0, 0.5, 0.0]);
        for trace in [0x10, 0x7f, 0x80, 0xf0] {
            tally.add(&spans(trace, &[(1, 0), (2, 1)]), at(0));
        }
        tally.finish();
        let kept: Vec<_> = tally.what_if.iter().map(|kept| (kept.traces, kept.spans)).collect();
        assert_eq!(kept, [(4, 8), (2, 4), (0, 0)]);
        assert_eq!(tally.what_if[0].bytes, tally.bytes);
    }
}
