//! The replay with the real filter: counts, parentage, times, repeatability, broken traces.

mod guests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::ResourceSpans;

use crate::collect::{self, SpanKind, SpanRecord};
use crate::host::{LogLevel, LogLine};
use crate::topology::{Application, Emojivoto, Topology};
use crate::traffic::Exchange;
use crate::traffic::jsonl::JsonLines;
use crate::vm::{Filter, Limits};

use super::{
    Capture, Mesh, ReplayError, ReplayOptions, ReplayStats, SingleProxy, StreamOptions, replay, stream,
};

const BOTH: [Emojivoto; 2] = [Emojivoto::B3, Emojivoto::W3c];

/// The filter with the default limits, compiled once.
fn filter() -> &'static Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| Filter::compile(crate::filter_wasm(), Limits::default()).unwrap())
}

fn run(topology: &Topology, exchanges: &[Exchange], seed: u64) -> Capture {
    run_with(filter(), topology, exchanges, seed)
}

/// Spans with their ids, in a fixed order, and what happened but for real time.
fn streamed(exchanges: &[Exchange], options: &StreamOptions) -> (Vec<ResourceSpans>, ReplayStats) {
    let kept = super::Kept::default();
    let topology = Emojivoto::B3.topology().unwrap();
    let exchanges = exchanges.iter().cloned().map(Ok);
    let mut go_on = |_| ControlFlow::Continue(());
    let stats = stream(filter(), Mesh::Topology(&topology), exchanges, options, &kept, &mut go_on).unwrap();
    (kept.0.into_inner().unwrap(), stats)
}

fn options() -> StreamOptions {
    let replay = ReplayOptions::new(1);
    StreamOptions { lanes: 16, ..StreamOptions::new(replay) }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let exchanges = recording(Emojivoto::B3);
    let (spans, stats) = streamed(&exchanges, &options());
    assert_eq!((stats.exchanges, collect::span_count(&spans)), (453, 2_718));
    for workers in [2, 4] {
        let (same, others) = streamed(&exchanges, &StreamOptions { workers, ..options() });
        assert_eq!(others.metrics, stats.metrics);
        assert!(same == spans, "{workers} threads gave others, or in another order");
    }
}

#[test]
fn shards_make_up_the_whole_with_the_same_ids() {
    let exchanges = recording(Emojivoto::B3);
    let ids = |shard: &str| {
        let (spans, stats) =
            streamed(&exchanges, &StreamOptions { shard: shard.parse().unwrap(), ..options() });
        let records = collect::records(&spans);
        (stats.exchanges, records.iter().map(|span| (span.trace_id, span.span_id)).collect::<BTreeSet<_>>())
    };
    let (exchanges, whole) = ids("0/1");
    let shards: Vec<_> = (0..4).map(|index| ids(&format!("{index}/4"))).collect();
    assert_eq!(shards.iter().map(|(exchanges, _)| exchanges).sum::<u64>(), exchanges);
    assert_eq!(shards.iter().map(|(_, ids)| ids.len()).sum::<usize>(), whole.len(), "none is in two");
    assert!(shards.iter().all(|(exchanges, _)| *exchanges > 50), "none is nearly empty");
    assert_eq!(shards.into_iter().flat_map(|(_, ids)| ids).collect::<BTreeSet<_>>(), whole);
}

#[test]
fn a_paced_replay_takes_its_time_and_gives_the_same() {
    let exchanges = beginning(Emojivoto::B3);
    let starts = exchanges.iter().map(|exchange| exchange.start.as_nanosecond());
    let recorded = Duration::from_nanos((starts.clone().max().unwrap() - starts.min().unwrap()) as u64);
    let speed = recorded.as_secs_f64() / 0.5;
    let ((paced, _), took) = super::stopwatch::time(|| {
        streamed(&exchanges, &StreamOptions { speed: Some(speed), workers: 2, ..options() })
    });
    assert!(took >= Duration::from_millis(500), "{recorded:?} took {took:?} at speed {speed}");
    let (fast, _) = streamed(&exchanges, &options());
    let ids = |spans: &[ResourceSpans]| {
        collect::records(spans).into_iter().map(|span| (span.span_id, span.start)).collect::<BTreeSet<_>>()
    };
    assert_eq!(ids(&paced), ids(&fast));
}

#[test]
fn one_proxy_sees_all_traffic_as_it_was_recorded() {
    let plugin = br#"{"service":{"name":"gate"}}"#.to_vec();
    let (direction, clusters) = (collect::Direction::Inbound, vec!["otel_collector".to_owned()]);
    let proxy = SingleProxy { configuration: plugin, direction, clusters };
    let exchanges = recording(Emojivoto::W3c);
    let (kept, given) = (super::Kept::default(), exchanges.iter().cloned().map(Ok));
    let mut go_on = |_| ControlFlow::Continue(());
    let stats = stream(filter(), Mesh::Proxy(&proxy), given, &options(), &kept, &mut go_on).unwrap();
    assert_eq!((stats.exchanges, stats.passes), (exchanges.len() as u64, exchanges.len() as u64));
    let spans = collect::records(&kept.0.into_inner().unwrap());
    let traced = exchanges.iter().filter(|exchange| {
        exchange.request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("traceparent"))
    });
    assert_eq!(spans.len(), 2 * traced.count(), "two spans for each request with a context");
    assert!(!spans.is_empty() && spans.iter().all(|span| span.is_proxy && span.service == "gate"));
    assert!(spans.iter().all(|span| span.direction == Some(direction)));
}

fn run_with(filter: &Filter, topology: &Topology, exchanges: &[Exchange], seed: u64) -> Capture {
    run_by(filter, topology, exchanges, ReplayOptions::new(seed))
}

fn run_by(filter: &Filter, topology: &Topology, exchanges: &[Exchange], options: ReplayOptions) -> Capture {
    let exchanges = exchanges.iter().cloned().map(Ok);
    replay(filter, topology, exchanges, &options, &mut |_| ControlFlow::Continue(())).unwrap()
}

fn recording(variant: Emojivoto) -> Vec<Exchange> {
    JsonLines::new(variant.recording()).collect::<Result<_, _>>().unwrap()
}

/// The first exchanges of a recording that make up whole traces.
fn beginning(variant: Emojivoto) -> Vec<Exchange> {
    let exchanges = recording(variant);
    let roots = exchanges.iter().filter(|exchange| exchange.parent.is_none()).take(10);
    let ids: BTreeSet<_> = roots.map(|root| root.id.clone()).collect();
    let is_in = |exchange: &Exchange| ids.contains(exchange.parent.as_ref().unwrap_or(&exchange.id));
    exchanges.into_iter().filter(is_in).collect()
}

fn traces(capture: &Capture) -> BTreeMap<[u8; 16], Vec<SpanRecord>> {
    let mut traces: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in collect::records(&capture.spans) {
        traces.entry(record.trace_id).or_default().push(record);
    }
    traces
}

/// Each root exchange as its path, and how many calls were made for it.
fn roots(exchanges: &[Exchange]) -> Vec<(String, usize)> {
    let calls = |id: &str| exchanges.iter().filter(|exchange| exchange.parent.as_deref() == Some(id)).count();
    let roots = exchanges.iter().filter(|exchange| exchange.parent.is_none());
    roots.map(|root| (root.request.path.clone(), calls(&root.id))).collect()
}

#[test]
fn every_trace_has_all_its_spans_and_no_orphan() {
    for variant in BOTH {
        let exchanges = recording(variant);
        let capture = run(&variant.topology().unwrap(), &exchanges, 1);
        let mut found = Vec::new();
        for spans in traces(&capture).values() {
            let ids: BTreeSet<_> = spans.iter().map(|span| span.span_id).collect();
            assert_eq!(ids.len(), spans.len(), "ids are unique");
            let orphans =
                spans.iter().filter(|span| span.parent.is_some_and(|parent| !ids.contains(&parent)));
            assert_eq!(orphans.count(), 0, "{spans:#?}");
            assert_eq!(spans.iter().filter(|span| span.parent.is_none()).count(), 1, "one root");
            found.push((spans.len(), spans.iter().filter(|span| span.is_proxy).count()));
        }
        let mut expected: Vec<_> = roots(&exchanges)
            .into_iter()
            .map(|(path, calls)| match path.split('?').next().unwrap() {
                "/api/list" => (12, 8),
                "/api/vote" => (18, 12),
                _ => (4 + 2 * (calls - 1) + 8 + 4 * (calls - 1), 8 + 4 * (calls - 1)),
            })
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{variant:?}");
        assert_eq!(capture.stats.exchanges, exchanges.len() as u64);
        assert_eq!(capture.stats.passes, 2 * exchanges.len() as u64);
        assert_eq!(capture.stats.filter_time.count(), capture.stats.passes);
        assert!(capture.stats.lost_context.is_empty(), "{:?}", capture.stats.lost_context);
        assert!(capture.stats.dropped.is_empty(), "{:?}", capture.stats.dropped);
        let complaints = capture.stats.logs.iter().filter(|(_, line)| line.level >= LogLevel::Warn);
        assert_eq!(complaints.collect::<Vec<_>>(), [] as [&(String, LogLine); 0]);
        assert_eq!(capture.stats.vms_lost, 0);
    }
}

#[test]
fn one_request_has_four_proxy_spans_each_the_child_of_the_one_before() {
    for variant in BOTH {
        let capture = run(&variant.topology().unwrap(), &beginning(variant), 1);
        for spans in traces(&capture).values() {
            let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.span_id, span)).collect();
            for server in spans.iter().filter(|span| !span.is_proxy && span.kind == SpanKind::Server) {
                let up = std::iter::successors(server.parent, |id| by_id[id].parent);
                let up: Vec<_> = up.take(5).map(|id| by_id[&id]).collect();
                let line = up.iter().map(|span| {
                    let direction = span.direction.map_or("", |direction| direction.as_str());
                    format!("{} {direction} {}", span.service, span.kind.as_str())
                });
                let callee = &server.service;
                let caller = &up[4].service;
                let expected = [
                    format!("{callee} inbound client"),
                    format!("{callee} inbound server"),
                    format!("{caller} outbound client"),
                    format!("{caller} outbound server"),
                    format!("{caller}  client"),
                ];
                assert_eq!(line.collect::<Vec<_>>(), expected);
            }
        }
    }
}

#[test]
fn every_span_lies_within_its_parent() {
    let capture = run(&Emojivoto::B3.topology().unwrap(), &beginning(Emojivoto::B3), 1);
    for spans in traces(&capture).values() {
        for span in spans {
            let parent = spans.iter().find(|parent| Some(parent.span_id) == span.parent);
            let Some(parent) = parent else { continue };
            assert!(parent.start < span.start && span.end <= parent.end, "{span:#?} in {parent:#?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_capture_and_another_seed_other_ids() {
    let topology = Emojivoto::B3.topology().unwrap();
    let exchanges = beginning(Emojivoto::B3);
    let capture = |seed| run(&topology, &exchanges, seed);
    let (first, again, other) = (capture(1), capture(1), capture(2));
    assert_eq!(first.spans, again.spans);
    assert_eq!(first.stats.metrics, again.stats.metrics);
    let ids = |capture: &Capture| traces(capture).into_keys().collect::<BTreeSet<_>>();
    assert!(ids(&first).is_disjoint(&ids(&other)));
}

#[test]
fn the_filters_counters_account_for_every_proxy_span() {
    let capture = run(&Emojivoto::W3c.topology().unwrap(), &recording(Emojivoto::W3c), 1);
    let proxy_spans = collect::records(&capture.spans).iter().filter(|span| span.is_proxy).count() as u64;
    let counted: Vec<_> = ["meshspan_spans_started", "meshspan_spans_finished", "meshspan_spans_exported"]
        .map(|name| capture.stats.metrics.get(name).copied())
        .into();
    assert_eq!(counted, [Some(proxy_spans); 3], "{:?}", capture.stats.metrics);
}

#[test]
fn an_application_that_drops_the_headers_is_named() {
    let mut topology = Emojivoto::B3.topology().unwrap();
    topology.services.get_mut("web").unwrap().application = Application::Drops;
    let exchanges = beginning(Emojivoto::B3);
    let calls = exchanges.iter().filter(|exchange| exchange.parent.is_some()).count() as u64;
    let capture = run(&topology, &exchanges, 1);
    assert_eq!(capture.stats.lost_context, [("web".to_owned(), calls)].into());
    let proxies = collect::records(&capture.spans).into_iter().filter(|span| span.is_proxy).count() as u64;
    assert_eq!(proxies, 4 * (exchanges.len() as u64 - calls), "beyond web there is no context, so no span");
}

#[test]
fn an_application_that_forwards_the_headers_leaves_no_gap() {
    let mut topology = Emojivoto::W3c.topology().unwrap();
    let headers = vec!["TraceParent".to_owned(), "tracestate".to_owned()];
    topology.services.get_mut("web").unwrap().application = Application::Forwards { headers };
    let exchanges = beginning(Emojivoto::W3c);
    let capture = run(&topology, &exchanges, 1);
    assert!(capture.stats.lost_context.is_empty());
    let traces = traces(&capture);
    assert_eq!(traces.len(), roots(&exchanges).len());
    for spans in traces.values() {
        let known: BTreeSet<_> = spans.iter().map(|span| span.span_id).collect();
        assert!(spans.iter().all(|span| span.parent.is_none_or(|parent| known.contains(&parent))));
        assert!(spans.iter().all(|span| span.is_proxy || span.service != "web"));
    }
}

#[test]
fn an_uninstrumented_client_sends_the_recorded_context() {
    let mut topology = Emojivoto::W3c.topology().unwrap();
    for name in ["vote-bot", "browser"] {
        topology.services.get_mut(name).unwrap().application = Application::Drops;
    }
    let exchanges = beginning(Emojivoto::W3c);
    let capture = run(&topology, &exchanges, 1);
    let recorded = exchanges.iter().filter(|exchange| exchange.parent.is_none()).map(|root| {
        let header = root.request.headers.iter().find(|(name, _)| name == "traceparent").unwrap();
        header.1.to_str().unwrap().split('-').nth(1).unwrap().to_owned()
    });
    let found = traces(&capture).into_keys().map(|id| format!("{:032x}", u128::from_be_bytes(id)));
    assert_eq!(found.collect::<BTreeSet<_>>(), recorded.collect());
}

#[test]
fn an_unmeshed_side_has_no_proxy_spans() {
    let mut topology = Emojivoto::B3.topology().unwrap();
    topology.services.get_mut("vote-bot").unwrap().meshed = false;
    topology.services.get_mut("browser").unwrap().meshed = false;
    let exchanges = beginning(Emojivoto::B3);
    let calls = exchanges.iter().filter(|exchange| exchange.parent.is_some()).count();
    let capture = run(&topology, &exchanges, 1);
    let proxies = collect::records(&capture.spans).into_iter().filter(|span| span.is_proxy).count();
    assert_eq!(proxies, 2 * (exchanges.len() - calls) + 4 * calls);
}

#[test]
fn a_filter_that_fails_is_started_anew_after_a_while() {
    let topology = Emojivoto::B3.topology().unwrap();
    let mut exchanges = beginning(Emojivoto::B3);
    // The filter can read this head, and has no room left for the span that names its sender.
    let sender = ("user-agent".to_owned(), "x".repeat(3 << 20).into());
    exchanges[0].request.headers.retain(|(name, _)| name != "user-agent");
    exchanges[0].request.headers.push(sender);
    let limits = Limits { memory_bytes: 6 << 20, ..Limits::default() };
    let filter = Filter::compile(crate::filter_wasm(), limits).unwrap();
    let Capture { spans, stats } = run_with(&filter, &topology, &exchanges, 1);
    assert_eq!(stats.vms_lost, 1);
    assert_eq!(stats.exchanges + stats.not_sent, exchanges.len() as u64);
    let calls = exchanges.iter().filter(|exchange| exchange.parent.as_deref() == Some(&exchanges[0].id));
    assert!(stats.not_sent >= calls.count() as u64, "what the lost request would have caused");
    let said = |text: &str| {
        stats.logs.iter().any(|(proxy, line)| proxy == "vote-bot outbound" && line.message.contains(text))
    };
    assert!(said("the filter failed; traffic gets a 503 until") && said("the filter was started anew"));
    let records = collect::records(&spans);
    assert!(
        records.iter().any(|span| span.is_proxy && span.service == "vote-bot"),
        "the new VM traces again"
    );
    let policy = crate::vm::FailurePolicy::FailOpen;
    let open = ReplayOptions { failure_policy: policy, ..ReplayOptions::new(1) };
    let Capture { spans, stats } = run_by(&filter, &topology, &exchanges, open);
    assert_eq!((stats.vms_lost, stats.exchanges), (2, exchanges.len() as u64), "both proxies read it");
    let applications = collect::records(&spans).into_iter().filter(|span| !span.is_proxy).count();
    assert_eq!(applications, 2 * exchanges.len(), "the context went on from application to application");
}

#[test]
fn a_filter_that_refuses_its_configuration_stops_the_replay_before_it_begins() {
    let mut topology = Emojivoto::B3.topology().unwrap();
    topology.plugin["version"] = 99.into();
    let options = ReplayOptions::new(1);
    let exchanges = beginning(Emojivoto::B3).into_iter().map(Ok);
    let error =
        replay(filter(), &topology, exchanges, &options, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(&error, ReplayError::Start { proxy, .. } if proxy.ends_with(" outbound")), "{error}");
}

#[test]
fn a_break_ends_what_is_under_way_and_sends_no_more() {
    let topology = Emojivoto::B3.topology().unwrap();
    let exchanges: Vec<_> = JsonLines::new(Emojivoto::B3.recording()).collect();
    let total = exchanges.len() as u64;
    let options = ReplayOptions::new(1);
    let stop = &mut |done| if done >= 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let capture = replay(filter(), &topology, exchanges, &options, stop).unwrap();
    assert!((100..total).contains(&capture.stats.exchanges), "{} of {total}", capture.stats.exchanges);
    assert_eq!(collect::span_count(&capture.spans), 6 * capture.stats.exchanges, "every span came out");
}
