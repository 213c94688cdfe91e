//! What `meshspan replay` and `meshspan doctor` read: exchanges from any source, counted, and how they are dated.

use std::{
    iter::Peekable,
    sync::{Arc, Mutex, PoisonError},
};

use meshspan::{
    counted::counted,
    replay::{ReplayStats, Skipped},
    traffic::{Entry, Exchange, Input, Tally, TrafficError, open_all},
};

use super::{
    args::{ReplayArgs, RunArgs, TrafficArgs},
    convert::unreadable,
    dates,
    error::CliError,
    export,
};

/// The exchanges of some files, and what was left out of them.
pub(crate) struct Recording {
    exchanges: Peekable<Exchanges>,
    tally: Arc<Mutex<Tally>>,
}

type Exchanges = Box<dyn Iterator<Item = Result<Exchange, TrafficError>> + Send>;

impl Recording {
    /// Opens the files.
    ///
    /// # Errors
    /// The first cannot be read at all.
    pub(crate) fn open(files: &[Input], traffic: &TrafficArgs) -> Result<Self, CliError> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let counted = Arc::clone(&tally);
        let count = move |entry: Result<Entry, TrafficError>| match entry {
            Ok(entry) => counted.lock().unwrap_or_else(PoisonError::into_inner).take(entry).map(Ok),
            Err(error) => Some(Err(error)),
        };
        let entries = open_all(files.to_vec(), traffic.options());
        let exchanges: Exchanges = Box::new(entries.filter_map(count));
        let mut recording = Self { exchanges: exchanges.peekable(), tally };
        match recording.exchanges.next_if(Result::is_err) {
            Some(Err(error)) => Err(unreadable(error)),
            _ => Ok(recording),
        }
    }

    /// By how many nanoseconds its spans are to be dated later.
    ///
    /// # Errors
    /// The endpoint to export to cannot be read from the arguments.
    pub(crate) fn shift(&mut self, args: &ReplayArgs) -> Result<i128, CliError> {
        if args.run.keep_times || !is_dated(&args.run)? {
            return Ok(0);
        }
        if args.speed == Some(1.0) || args.files.contains(&Input::Stdin) {
            let first = self.exchanges.peek().and_then(|first| first.as_ref().ok());
            return Ok(first.map_or(0, dates::shift_from));
        }
        let again = Self::open(&args.files, &args.traffic)?;
        Ok(dates::shift(args.speed, again.exchanges.filter_map(Result::ok)))
    }

    /// The exchanges, and a place where one sees afterwards what was left out.
    pub(crate) fn into_parts(
        self,
    ) -> (impl Iterator<Item = Result<Exchange, TrafficError>> + Send, Arc<Mutex<Tally>>) {
        (self.exchanges, self.tally)
    }
}

/// Whether anybody sees the spans' dates.
fn is_dated(run: &RunArgs) -> Result<bool, CliError> {
    Ok(run.save.is_some() || export::configuration(run, 0)?.is_some())
}

/// Fails if what `reader` reads twice is standard input.
pub(crate) fn check_comes_again(args: &ReplayArgs, reader: &str) -> Result<(), CliError> {
    if !args.files.contains(&Input::Stdin) {
        return Ok(());
    }
    let message = format!("{reader} reads the traffic twice, and standard input comes once");
    Err(CliError::bad_configuration(message)
        .help("write it to a file first: `meshspan convert - > traffic.jsonl`"))
}

/// Fails if all that there was had to be left out.
pub(crate) fn check_replayed(stats: &ReplayStats) -> Result<(), CliError> {
    match stats.skipped.values().next() {
        Some(skipped) if stats.exchanges == 0 => {
            Err(CliError::bad_configuration(format!("nothing could be replayed: {}", skipped.example))
                .help("`meshspan schema exchange` prints what a line may hold"))
        }
        _ => Ok(()),
    }
}

/// Adds to what the replay left out what its source did, and says what the source had to assume.
pub(crate) fn count_skipped(stats: &mut ReplayStats, tally: &Mutex<Tally>) {
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    for (kind, skipped) in &tally.skipped {
        let example = skipped.first.to_string();
        let place = stats.skipped.entry((*kind).to_owned()).or_insert(Skipped { count: 0, example });
        place.count += skipped.count;
    }
    for (note, count) in &tally.notes {
        tracing::info!("{}: {}", counted(*count, "exchange"), note.text());
    }
}
