//! What a recording tells: its headers, and what the filter makes of them.

use std::{ops::ControlFlow, sync::Mutex};

use meshspan::{
    collect::Direction,
    doctor::{Counters, Evidence, Formats, Metrics, Seen},
    filter_wasm,
    replay::{Mesh, ReplayOptions, SingleProxy, StreamOptions, stream},
    traffic::{Entry, Exchange, Tally, TrafficError, open_all},
};

use crate::cli::{
    args::DoctorArgs,
    error::CliError,
    progress,
    replay::{clusters, read_json},
    run::{tell, told},
    spans::Spans,
};

/// Ids do not matter here.
const SEED: u64 = 1;

/// Replays the recording through one proxy.
pub(super) fn examine(args: &DoctorArgs, evidence: &mut Evidence, quiet: bool) -> Result<(), CliError> {
    let configuration = args.config.as_ref().map(|path| read_json(path)).transpose()?;
    let proxy = SingleProxy {
        clusters: clusters(configuration.as_ref()),
        configuration: configuration.map(|json| json.to_string().into_bytes()).unwrap_or_default(),
        direction: Direction::from(args.direction),
    };
    let filter = args
        .cache
        .compile(filter_wasm())
        .map_err(|error| CliError::bad_configuration(format!("the filter cannot be loaded: {error}")))?;
    let read = Mutex::new((Formats::default(), Tally::default()));
    let entries = open_all(args.files.clone(), args.traffic.options());
    let exchanges = entries.filter_map(|entry| counted(entry, &read));
    let options = StreamOptions::new(ReplayOptions::new(SEED));
    let spans = Spans::new(options.lanes, |_| (0, 0), &[]);
    let bar = progress::bar("replaying", None, quiet);
    let replayed = stream(&filter, Mesh::Proxy(&proxy), exchanges, &options, &spans, &mut |done| {
        bar.set_position(done);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let stats = replayed.map_err(told)?;
    tell(&stats);
    let (formats, tally) = read.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (kind, skipped) in &tally.skipped {
        tracing::warn!("{} left out: {kind}; the first: {}", skipped.count, skipped.first);
    }
    if formats.requests == 0 {
        return Err(CliError::bad_configuration("the recording has no exchange that can be used"));
    }
    let counters = Counters::read(&Metrics::from_counters(&stats.metrics));
    evidence.filter = Some(counters.map_or(Seen::Missing, Seen::Found));
    evidence.formats = Some(formats);
    Ok(())
}

fn counted(
    entry: Result<Entry, TrafficError>,
    read: &Mutex<(Formats, Tally)>,
) -> Option<Result<Exchange, TrafficError>> {
    let mut read = read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (formats, tally) = &mut *read;
    match entry {
        Err(error) => Some(Err(error)),
        Ok(entry) => tally.take(entry).map(|exchange| {
            formats.add(&exchange);
            Ok(exchange)
        }),
    }
}
