//! What running programs tell: a proxy's numbers, a viewer's traces; with a request of our own, or without.

use std::{path::Path, time::Duration};

use http::Uri;
use meshspan::{
    collect::{by_trace, records},
    doctor::{Cluster, Counters, Evidence, Metrics, Seen, Visible},
    serve::spans_of_file,
    store::Store,
    view::{Trace, traces},
};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    fetch::{Fetch, at},
    patience, stored,
};
use crate::cli::{args::DoctorArgs, clock, error::CliError};

/// How often something is looked at again that may still change.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The services whose latest traces are looked at, and how many of each.
const MAX_SERVICES: usize = 20;
const MAX_TRACES: usize = 20;

/// Asks whoever was named.
pub(super) async fn examine(args: &DoctorArgs, evidence: &mut Evidence) -> Result<(), CliError> {
    let fetch = Fetch::new();
    let before = match &args.proxy {
        Some(proxy) => Some(numbers(&fetch, proxy).await?),
        None => None,
    };
    let trace_id = match &args.send {
        Some(target) => Some(send(&fetch, target).await?),
        None => None,
    };
    if let (Some(proxy), Some(before)) = (&args.proxy, before) {
        let (counters, metrics) = match trace_id {
            // A request was sent: what counts is what happened since.
            Some(_) => settled(&fetch, proxy, &before, patience(args)).await?,
            None => (Counters::read(&before), before),
        };
        evidence.filter = Some(counters.map_or(Seen::Missing, Seen::Found));
        evidence.cluster = Cluster::read(&args.cluster, &metrics);
    }
    if let Some(viewer) = &args.traces {
        evidence.visible = Some(match &trace_id {
            Some(id) => arrived(&fetch, viewer, id, patience(args)).await?,
            None => latest(&fetch, viewer).await?,
        });
    }
    if let Some(path) = &args.store {
        let store = stored::open(path)?;
        evidence.visible = Some(match &trace_id {
            Some(id) => arrived_in_store((&store, path), id, patience(args)).await?,
            None => stored::latest(&store, path)?,
        });
    }
    Ok(())
}

async fn numbers(fetch: &Fetch, proxy: &Uri) -> Result<Metrics, CliError> {
    let uri = match proxy.path() {
        "/" => at(proxy, "/stats/prometheus"),
        _ => proxy.clone(),
    };
    let text = fetch.text(&uri).await.map_err(|error| {
        error.help("--proxy takes Envoy's admin address, or any address with numbers for Prometheus")
    })?;
    Ok(Metrics::parse(&text))
}

/// Sends a request with a sampled context; the trace's id.
async fn send(fetch: &Fetch, target: &Uri) -> Result<String, CliError> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(clock::unix_nanos());
    let (high, low, span) = (random.next_u64() | 1, random.next_u64(), random.next_u64() | 1);
    let trace_id = format!("{high:016x}{low:016x}");
    let (status, _) = fetch.get(target, Some(&format!("00-{trace_id}-{span:016x}-01"))).await?;
    tracing::info!("{target} answered {status}; its trace is {trace_id}");
    Ok(trace_id)
}

/// What the filter has counted since `before`, once all its spans have come to their end or time is up.
async fn settled(
    fetch: &Fetch,
    proxy: &Uri,
    before: &Metrics,
    patience: Duration,
) -> Result<(Option<Counters>, Metrics), CliError> {
    let deadline = Instant::now() + patience;
    let earlier = Counters::read(before).unwrap_or_default();
    loop {
        let metrics = numbers(fetch, proxy).await?;
        let counters = Counters::read(&metrics).map(|counters| counters.since(earlier));
        let is_over = counters.is_some_and(|counters| {
            let decided = counters.saw_a_context() || counters.invalid > 0;
            decided && counters.are_settled()
        });
        if is_over || Instant::now() >= deadline {
            return Ok((counters, metrics));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Whether the trace is there, as soon as it is whole or time is up.
async fn arrived(fetch: &Fetch, viewer: &Uri, id: &str, patience: Duration) -> Result<Visible, CliError> {
    let deadline = Instant::now() + patience;
    let uri = at(viewer, &format!("/api/traces/{id}"));
    loop {
        // Jaeger answers 404 as long as it has not a single span of it.
        let (_, body) = fetch.get(&uri, None).await?;
        let found = spans_of_file(&body).map(|spans| traces(records(&spans))).unwrap_or_default();
        if !found.is_empty() || Instant::now() >= deadline {
            return Ok(of_probe(&viewer.to_string(), id, &found));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// As [`arrived`], in a store.
async fn arrived_in_store(
    (store, path): (&Store, &Path),
    id: &str,
    patience: Duration,
) -> Result<Visible, CliError> {
    let deadline = Instant::now() + patience;
    loop {
        let found = stored::trace(store, id)?;
        if !found.is_empty() || Instant::now() >= deadline {
            return Ok(of_probe(&path.display().to_string(), id, &found));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The request's own parent is nobody's span: whoever lacks only that is whole.
fn of_probe(place: &str, id: &str, found: &[Trace]) -> Visible {
    let mut visible = Visible::of(place, &format!("trace {id}"), found);
    let missing = |trace: &Trace| {
        let orphans = trace.nodes.iter().filter(|node| node.is_orphan);
        let mut parents: Vec<_> = orphans.filter_map(|node| node.span.parent).collect();
        parents.sort_unstable();
        parents.dedup();
        parents.len()
    };
    if found.iter().map(missing).sum::<usize>() <= 1 {
        visible.orphans = 0;
    }
    visible
}

/// The latest traces of every service.
async fn latest(fetch: &Fetch, viewer: &Uri) -> Result<Visible, CliError> {
    let services = fetch.text(&at(viewer, "/api/services")).await.map_err(|error| {
        error.help(
            "--traces takes the address of this program's page, of Jaeger's, or of another with Jaeger's API",
        )
    })?;
    let services: Value = serde_json::from_str(&services).unwrap_or_default();
    let names = services.get("data").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    let (mut spans, mut more) = (Vec::new(), names.len() > MAX_SERVICES);
    for name in names.into_iter().take(MAX_SERVICES) {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let uri = at(viewer, &format!("/api/traces?service={name}&limit={MAX_TRACES}&lookback=1h"));
        let body = fetch.text(&uri).await?;
        let of_service = spans_of_file(body.as_bytes()).unwrap_or_default();
        more |= by_trace(of_service.clone()).len() >= MAX_TRACES;
        spans.extend(of_service);
    }
    Ok(Visible { more, ..Visible::of(&viewer.to_string(), "any trace", &traces(records(&spans))) })
}
