//! Opens recorded traffic: a file or standard input, gzip or not, in the format that it is in.
//! Every format streams: memory does not grow with the file.
//!
//! `open(&"browser.har".into(), &Options::default())` → an iterator of [`Entry`]

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::access_log::{self, FieldMap};
use super::tap::{self, Tap};
use super::{Entry, Format, TrafficError, each, gor, har, jsonl, vegeta};
use crate::gzip;

/// How many bytes of a file are looked at to find out its format.
const MAX_HEAD_BYTES: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where traffic comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input: `-`.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(text.into()) }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How to read traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The format, if it shall not be found out.
    pub format: Option<Format>,
    /// The name of every source, for formats that do not name it.
    pub source: Option<String>,
    /// The name of every destination, for formats that do not name it; else the authority's host.
    pub destination: Option<String>,
    /// What stands before the numbers that are the ids of entries in formats without ids.
    pub id_prefix: String,
    /// Where in an access log's lines everything is.
    pub access_log_fields: FieldMap,
    /// Whether an entry that cannot be used is an error, which ends the reading.
    pub strict: bool,
}

type Entries = Box<dyn Iterator<Item = Result<Entry, TrafficError>> + Send>;

/// The entries of one file, in its order. Memory is bounded by the longest entry.
pub struct Traffic {
    format: Format,
    entries: Entries,
    is_strict: bool,
    has_ended: bool,
}

/// What the readers of all formats are told.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// For messages.
    pub(super) file: Arc<str>,
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) id_prefix: String,
}

/// Opens one input.
///
/// # Errors
/// It cannot be read, or its format is not known.
pub fn open(input: &Input, options: &Options) -> Result<Traffic, TrafficError> {
    match input {
        Input::Stdin => read(io::stdin(), "standard input", options),
        Input::File(path) => {
            let name = path.display().to_string();
            let file =
                File::open(path).map_err(|source| TrafficError::Open { file: name.clone(), source })?;
            read(file, &name, options)
        }
    }
}

/// Opens one input after the other, each when the one before it has ended: their entries in order.
/// An input that cannot be opened ends the reading. Where a format has no ids, those of the second input
/// begin with `2-`, and so on.
pub fn open_all(
    inputs: Vec<Input>,
    options: Options,
) -> impl Iterator<Item = Result<Entry, TrafficError>> + Send {
    let mut inputs = inputs.into_iter().zip(1..);
    let prefix = options.id_prefix.clone();
    let mut options = options;
    let mut current: Option<Traffic> = None;
    std::iter::from_fn(move || {
        loop {
            match current.as_mut().and_then(Iterator::next) {
                Some(Ok(entry)) => return Some(Ok(entry)),
                Some(Err(error)) => {
                    (inputs, current) = (Vec::new().into_iter().zip(1..), None);
                    return Some(Err(error));
                }
                None => {}
            }
            let (input, number) = inputs.next()?;
            if number > 1 {
                options.id_prefix = format!("{prefix}{number}-");
            }
            match open(&input, &options) {
                Ok(traffic) => current = Some(traffic),
                Err(error) => {
                    (inputs, current) = (Vec::new().into_iter().zip(1..), None);
                    return Some(Err(error));
                }
            }
        }
    })
}

/// Reads from `reader` what is named `name`, for its messages and where the format is not clear.
///
/// # Errors
/// As [`open`].
pub fn read(
    reader: impl Read + Send + 'static,
    name: &str,
    options: &Options,
) -> Result<Traffic, TrafficError> {
    let failed = |source| TrafficError::Open { file: name.to_owned(), source };
    let mut reader = gzip::unpacked(reader).map_err(failed)?;
    if starts_with(&mut reader, BYTE_ORDER_MARK).map_err(failed)? {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    let (format, reader) = match options.format {
        Some(format) => (format, reader),
        None => detect(reader, name)?,
    };
    let settings = Settings {
        file: name.into(),
        source: options.source.clone(),
        destination: options.destination.clone(),
        id_prefix: options.id_prefix.clone(),
    };
    let entries: Entries = match format {
        Format::JsonLines => Box::new(jsonl::Source::new(reader, &settings)),
        Format::Har => Box::new(har::Har::new(reader, settings)?),
        Format::TapJson => Box::new(Tap::new(tap::Encoding::json(reader), settings)),
        Format::TapBinary => Box::new(Tap::new(tap::Encoding::Binary(reader), settings)),
        Format::TapDelimited => Box::new(Tap::new(tap::Encoding::Delimited(reader), settings)),
        Format::AccessLog => {
            let map = options.access_log_fields.clone();
            let parse = Box::new(move |line: &[u8]| access_log::parse(line, &map));
            Box::new(each::Each::line(reader, access_log::MAX_LINE_BYTES, parse, settings))
        }
        Format::GoReplay => Box::new(gor::GoReplay::new(reader, settings)),
        Format::VegetaJson => {
            let parse = Box::new(vegeta::parse_json);
            Box::new(each::Each::line(reader, vegeta::MAX_LINE_BYTES, parse, settings))
        }
        Format::VegetaHttp => Box::new(vegeta::http(reader, settings)),
    };
    Ok(Traffic { format, entries, is_strict: options.strict, has_ended: false })
}

/// Whether `reader` goes on with `start`, of which nothing is consumed.
fn starts_with(reader: &mut Box<dyn BufRead + Send>, start: &[u8]) -> io::Result<bool> {
    let mut head = Vec::new();
    while head.len() < start.len() && start.starts_with(&head) {
        if fill(reader, &mut head)? == 0 {
            break;
        }
    }
    let found = head.starts_with(start);
    give_back(reader, head);
    Ok(found)
}

/// Reads until the format is clear, and gives the reader back as it was.
fn detect(
    mut reader: Box<dyn BufRead + Send>,
    name: &str,
) -> Result<(Format, Box<dyn BufRead + Send>), TrafficError> {
    let mut head = Vec::new();
    let format = loop {
        let read = fill(&mut reader, &mut head)
            .map_err(|source| TrafficError::Open { file: name.to_owned(), source })?;
        let has_ended = read == 0 || head.len() >= MAX_HEAD_BYTES;
        match Format::of(name, &head, has_ended) {
            None if !has_ended => {}
            format => break format,
        }
    };
    let found = if head.trim_ascii().is_empty() { "the file is empty" } else { "the format is not known" };
    let format = format
        .ok_or_else(|| TrafficError::Unrecognised { file: name.to_owned(), found: found.to_owned() })?;
    give_back(&mut reader, head);
    Ok((format, reader))
}

/// Appends what can be had at once; how much that was.
fn fill(reader: &mut Box<dyn BufRead + Send>, head: &mut Vec<u8>) -> io::Result<usize> {
    let bytes = reader.fill_buf()?;
    head.extend_from_slice(bytes);
    let length = bytes.len();
    reader.consume(length);
    Ok(length)
}

/// Puts bytes before what `reader` still has.
fn give_back(reader: &mut Box<dyn BufRead + Send>, head: Vec<u8>) {
    let rest = std::mem::replace(reader, Box::new(io::empty()));
    *reader = Box::new(Cursor::new(head).chain(rest));
}

impl Traffic {
    /// The format that it is read as.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl Iterator for Traffic {
    type Item = Result<Entry, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        match self.entries.next() {
            Some(Ok(Entry::Skipped(skip))) if self.is_strict => {
                self.has_ended = true;
                Some(Err(TrafficError::Skipped(skip)))
            }
            next => {
                self.has_ended = !matches!(next, Some(Ok(_)));
                next
            }
        }
    }
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").field("format", &self.format).finish_non_exhaustive()
    }
}
