//! `meshspan import`: spans of files into the store, a line at a time.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use meshspan::collect::{JsonLineError, keep_fit, mend_ids, span_count};
use meshspan::counted::counted;
use meshspan::serve::{MAX_UPLOAD_BYTES, spans_of_file};
use meshspan::store::Store;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use prost::Message;

use super::error::CliError;
use super::stored::{StoreBounds, StorePlace};
use super::{input, print, progress};

/// Spans that are stored at once; the file is synchronised each time.
const BATCH: u64 = 2_000;

/// The longest line, and the longest file that is not read line by line.
const MAX_BYTES: u64 = MAX_UPLOAD_BYTES as u64;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// OTLP JSON Lines, OTLP JSON or Jaeger's JSON, gzip or not; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    store: StorePlace,
    #[command(flatten)]
    bounds: StoreBounds,
}

/// Stores the spans of all files; what came before a line that cannot be read stays.
pub(crate) fn import(args: &ImportArgs, quiet: bool) -> Result<(), CliError> {
    let bar = progress::bar("importing", None, quiet);
    let store = args.store.open(args.bounds.options(Vec::new(), true))?;
    let mut target = Target { store, bar, spans: 0, unfit: 0, first: None };
    let done = args.files.iter().try_for_each(|path| import_file(path, &mut target));
    target.bar.finish_and_clear();
    let mut text = format!("{} imported", counted(target.spans, "span"));
    if let Some(first) = target.first {
        text.push_str(&format!(", {} left out for their ids; the first: {first}", target.unfit));
    }
    print(&(text + "\n"))?;
    done
}

fn import_file(path: &Path, target: &mut Target) -> Result<(), CliError> {
    let unreadable = |error: io::Error| CliError::read(path, &error);
    let input = input::open(path).map_err(unreadable)?;
    let mut batch = Vec::new();
    let mut lines = Lines { input, number: 0, unreadable: None };
    let read = loop {
        match lines.next() {
            Ok(Some(spans)) => {
                target.first = target.first.take().or_else(|| lines.unreadable.take());
                batch.extend(spans);
            }
            Ok(None) => break Ok(()),
            Err(problem) => break Err(problem),
        }
        if span_count(&batch) >= BATCH {
            target.put(std::mem::take(&mut batch))?;
        }
    };
    target.put(batch)?;
    read.map_err(|problem| match problem {
        Problem::Read(error) => unreadable(error),
        Problem::Malformed(problem) => CliError::bad_configuration(format!("{}: {problem}", path.display()))
            .help("`meshspan collect --save FILE` writes such a file; so does the OpenTelemetry Collector's file exporter"),
    })
}

/// Where spans go, and what came of them.
struct Target {
    store: Store,
    bar: ProgressBar,
    spans: u64,
    /// Those with ids that are not well formed, and what is wrong with the first.
    unfit: u64,
    first: Option<String>,
}

impl Target {
    fn put(&mut self, resource_spans: Vec<ResourceSpans>) -> Result<(), CliError> {
        let mut request = ExportTraceServiceRequest { resource_spans };
        let (unfit, first) = keep_fit(&mut request);
        self.unfit += unfit;
        self.first = self.first.take().or_else(|| first.map(|first| first.to_string()));
        let spans = span_count(&request.resource_spans);
        if spans > 0 {
            let stored = self.store.append_blocking(request.encode_to_vec().into(), spans);
            stored.map_err(|error| CliError::runtime(error.to_string()))?;
            self.spans += spans;
            self.bar.set_position(self.spans);
        }
        Ok(())
    }
}

/// Why a file is read no further.
enum Problem {
    Read(io::Error),
    Malformed(String),
}

/// A file's spans, line by line; all at once, if its first line is no line of OTLP JSON.
struct Lines<R> {
    input: R,
    number: usize,
    /// What is wrong with the first id that could not be read.
    unreadable: Option<String>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Vec<ResourceSpans>>, Problem> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.input).take(MAX_BYTES).read_until(b'\n', &mut line);
            if read.map_err(Problem::Read)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            return match self.parse(&line, |line| serde_json::from_slice::<TracesData>(line)) {
                Ok(data) => Ok(Some(data.resource_spans)),
                Err(_) if self.number == 1 => self.whole(line).map(Some),
                Err(source) => {
                    Err(Problem::Malformed(JsonLineError { line: self.number, source }.to_string()))
                }
            };
        }
    }

    /// The spans of all that is left behind `bytes`.
    fn whole(&mut self, mut bytes: Vec<u8>) -> Result<Vec<ResourceSpans>, Problem> {
        (&mut self.input).take(MAX_BYTES).read_to_end(&mut bytes).map_err(Problem::Read)?;
        if bytes.len() > MAX_UPLOAD_BYTES {
            let problem =
                format!("its first line is no OTLP JSON, and it has more than {MAX_UPLOAD_BYTES} bytes");
            return Err(Problem::Malformed(problem));
        }
        self.parse(&bytes, spans_of_file).map_err(|error| Problem::Malformed(error.to_string()))
    }

    /// As `parse` has it; spans with ids that cannot be read are there with ids that are not well formed.
    fn parse<T, E>(&mut self, text: &[u8], parse: impl Fn(&[u8]) -> Result<T, E>) -> Result<T, E> {
        parse(text).or_else(|error| {
            let (text, first) = mend_ids(text).ok_or(error)?;
            let parsed = parse(&text)?;
            self.unreadable.get_or_insert(first);
            Ok(parsed)
        })
    }
}
