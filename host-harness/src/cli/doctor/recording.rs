//! What a recording tells: its headers, and what the filter makes of them.

use std::{
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
};

use meshspan::{
    collect::Direction,
    doctor::{Counters, Evidence, Formats, Metrics, Seen},
    replay::{Mesh, ReplayOptions, SingleProxy, StreamOptions, stream},
};

use crate::cli::{
    args::DoctorArgs,
    error::CliError,
    progress,
    recording::{Recording, count_skipped},
    replay::{clusters, read_json},
    run::{tell, told},
    spans::Spans,
    wasm::Wasm,
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
    let filter = args.cache.filter(&Wasm::own())?;
    let formats = Mutex::new(Formats::default());
    let (exchanges, entries) = Recording::open(&args.files, &args.traffic)?.into_parts();
    let exchanges = exchanges.inspect(|exchange| {
        if let Ok(exchange) = exchange {
            formats.lock().unwrap_or_else(PoisonError::into_inner).add(exchange);
        }
    });
    let options = StreamOptions::new(ReplayOptions::new(SEED));
    let spans = Spans::new(options.lanes, |_| (0, 0), &[]);
    let bar = progress::bar("replaying", None, quiet);
    let replayed = stream(&filter, Mesh::Proxy(&proxy), exchanges, &options, &spans, &mut |done| {
        bar.set_position(done);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let mut stats = replayed.map_err(told)?;
    count_skipped(&mut stats, &entries);
    tell(&stats);
    let formats = formats.into_inner().unwrap_or_else(PoisonError::into_inner);
    if formats.requests == 0 {
        return Err(CliError::bad_configuration("the recording has no exchange that can be used"));
    }
    let counters = Counters::read(&Metrics::from_counters(&stats.metrics));
    evidence.filter = Some(counters.map_or(Seen::Missing, Seen::Found));
    evidence.formats = Some(formats);
    Ok(())
}
