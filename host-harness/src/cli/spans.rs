//! Where a replay's spans go: summed up, into a file, to the exporter, each as far as it is asked for.

use std::{
    fs::File,
    io::{BufWriter, Error, Write},
    ops::ControlFlow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use meshspan::{
    collect::{shift_times, to_json_line},
    replay::Sink,
    time::Timestamp,
    view::tally::{Rank, Tally},
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::sync::mpsc;

/// The spans' ways out.
pub(crate) struct Spans {
    tallies: Vec<Mutex<Tally>>,
    /// By how much they are dated later, in nanoseconds.
    shift: i128,
    file: Option<Mutex<BufWriter<File>>>,
    exporter: Option<mpsc::Sender<Vec<ResourceSpans>>>,
    /// All, for a viewer.
    kept: Option<Mutex<Vec<ResourceSpans>>>,
    /// Why the file could not be written.
    failure: Mutex<Option<Error>>,
}

/// Spans on their way out.
pub(crate) struct Chunk {
    lines: String,
    spans: Vec<ResourceSpans>,
}

impl Spans {
    /// Only sums up what `lanes` give; a trace that ranks high is kept to be shown.
    pub(crate) fn new(lanes: usize, rank: Rank, ratios: &[f64]) -> Self {
        Self {
            tallies: (0..lanes).map(|_| Mutex::new(Tally::new(rank, ratios))).collect(),
            shift: 0,
            file: None,
            exporter: None,
            kept: None,
            failure: Mutex::new(None),
        }
    }

    /// Dates what goes out by `nanos` later.
    pub(crate) fn shift(mut self, nanos: i128) -> Self {
        self.shift = nanos;
        self
    }

    /// Writes all into a file as well, one `TracesData` a line, a line an export.
    pub(crate) fn save(mut self, file: Option<File>) -> Self {
        self.file = file.map(|file| Mutex::new(BufWriter::new(file)));
        self
    }

    /// Exports all as well.
    pub(crate) fn export(mut self, exporter: Option<mpsc::Sender<Vec<ResourceSpans>>>) -> Self {
        self.exporter = exporter;
        self
    }

    /// Keeps all as well, if wanted.
    pub(crate) fn keep(mut self, is_wanted: bool) -> Self {
        self.kept = is_wanted.then(Mutex::default);
        self
    }

    /// Takes what was kept.
    pub(crate) fn kept(&self) -> Vec<ResourceSpans> {
        self.kept.as_ref().map(|kept| std::mem::take(&mut *lock(kept))).unwrap_or_default()
    }

    /// The sums, once all is written.
    pub(crate) fn finish(self) -> Result<Tally, Error> {
        if let Some(file) = &self.file {
            lock(file).flush()?;
        }
        if let Some(error) = lock(&self.failure).take() {
            return Err(error);
        }
        let mut tallies =
            self.tallies.into_iter().map(|tally| tally.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut all = tallies.next().unwrap_or_else(|| Tally::new(|_| (0, 0), &[]));
        all.finish();
        tallies.for_each(|tally| all.merge(tally));
        Ok(all)
    }
}

impl Sink for Spans {
    type Chunk = Chunk;

    fn prepare(&self, lane: usize, mut spans: Vec<ResourceSpans>, now: Timestamp) -> Chunk {
        if let Some(tally) = self.tallies.get(lane) {
            lock(tally).add(&spans, now);
        }
        let mut lines = String::new();
        if self.file.is_some() || self.exporter.is_some() || self.kept.is_some() {
            shift_times(&mut spans, self.shift);
        }
        if self.file.is_some() {
            for resource in &spans {
                lines.push_str(&to_json_line(std::slice::from_ref(resource)));
                lines.push('\n');
            }
        }
        if let Some(kept) = &self.kept {
            lock(kept).extend_from_slice(&spans);
        }
        Chunk { lines, spans: if self.exporter.is_some() { spans } else { Vec::new() } }
    }

    fn take(&self, chunk: Chunk) -> ControlFlow<()> {
        if let Some(file) = &self.file
            && let Err(error) = lock(file).write_all(chunk.lines.as_bytes())
        {
            lock(&self.failure).get_or_insert(error);
            return ControlFlow::Break(());
        }
        if let Some(exporter) = self.exporter.as_ref().filter(|_| !chunk.spans.is_empty()) {
            // The exporter takes all until nobody hands in more.
            let _ = exporter.blocking_send(chunk.spans);
        }
        ControlFlow::Continue(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
