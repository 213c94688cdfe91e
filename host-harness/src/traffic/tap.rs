//! What Envoy's tap filter writes: whole traces, and traces in segments as they came; as JSON, as one
//! protobuf message a file, or as many behind their lengths.
//! Spec: <https://www.envoyproxy.io/docs/envoy/latest/api-v3/data/tap/v3/wrapper.proto>
//!
//! `{"http_buffered_trace":{"request":{"headers":[{"key":":path","value":"/"}],…},"response":{…}}}`
//!
//! Segments say no time and no end: a trace ends with its response's trailers, with the file, or when
//! 1,024 others or 64 MiB wait for theirs. Instants of whole traces are those of the two heads.

mod message;
mod segments;

use std::io::{self, BufRead, Read as _};

use prost::Message as _;

use self::message::{HttpBufferedTrace, TraceWrapper};
use self::segments::Segments;
use super::draft::{Body, Draft};
use super::open::Settings;
use super::values::{Found, Values};
use super::{Entry, Place, Skip, SkipReason, TrafficError};

/// The most bytes that one trace or segment may have: 64 MiB.
const MAX_TRACE_BYTES: usize = 64 << 20;

/// How the traces of a file are written.
pub(super) enum Encoding<R> {
    Json(Values<R>),
    /// One message.
    Binary(R),
    Delimited(R),
}

/// The entries of a tap file.
pub(super) struct Tap<R> {
    encoding: Encoding<R>,
    byte: u64,
    number: u64,
    segments: Segments,
    settings: Settings,
    is_read: bool,
}

impl<R: BufRead> Encoding<R> {
    pub(super) fn json(reader: R) -> Self {
        Self::Json(Values::concatenated(reader, MAX_TRACE_BYTES))
    }
}

impl<R: BufRead> Tap<R> {
    pub(super) fn new(encoding: Encoding<R>, settings: Settings) -> Self {
        Self { encoding, byte: 0, number: 0, segments: Segments::default(), settings, is_read: false }
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some((number, place, draft)) = self.segments.release(self.is_read) {
                return Ok(Some(draft.entry(number, place, &self.settings)));
            }
            if self.is_read {
                return Ok(None);
            }
            self.number += 1;
            let (byte, trace) = self.trace()?;
            let place = Place::entry(&self.settings.file, self.number, byte);
            let reason = match trace {
                Ok(None) => {
                    self.is_read = true;
                    continue;
                }
                Ok(Some(trace)) => match self.take(trace, &place) {
                    Ok(Some(draft)) => return Ok(Some(draft.entry(self.number, place, &self.settings))),
                    Ok(None) => continue,
                    Err(reason) => reason,
                },
                Err(reason) => reason,
            };
            return Ok(Some(Entry::Skipped(Skip { place, reason })));
        }
    }

    /// The next trace or segment, and at which byte it begins.
    fn trace(&mut self) -> io::Result<(u64, Result<Option<TraceWrapper>, SkipReason>)> {
        let byte = self.byte;
        let trace = match &mut self.encoding {
            Encoding::Json(values) => {
                values.skip_space()?;
                return Ok((values.byte(), from_json(&values.next()?)));
            }
            Encoding::Binary(_) if byte > 0 => Ok(None),
            Encoding::Binary(reader) => {
                let mut bytes = Vec::new();
                self.byte += reader.by_ref().take(MAX_TRACE_BYTES as u64 + 1).read_to_end(&mut bytes)? as u64;
                if bytes.is_empty() { Ok(None) } else { decode(&bytes).map(Some) }
            }
            Encoding::Delimited(reader) => delimited(reader, &mut self.byte)?,
        };
        Ok((byte, trace))
    }

    /// A whole trace becomes an exchange, a segment waits for the others.
    fn take(&mut self, trace: TraceWrapper, place: &Place) -> Result<Option<Draft>, SkipReason> {
        if let Some(trace) = trace.http_buffered_trace {
            return draft(trace).map(Some);
        }
        if let Some(segment) = trace.http_streamed_trace_segment {
            self.segments.add(segment, self.number, place);
            return Ok(None);
        }
        let found = if trace.socket_buffered_trace.is_some() || trace.socket_streamed_trace_segment.is_some()
        {
            "a trace of a socket"
        } else {
            "a trace without content"
        };
        Err(SkipReason::NotHttp(found.to_owned()))
    }
}

fn from_json(found: &Found<'_>) -> Result<Option<TraceWrapper>, SkipReason> {
    match found {
        Found::End => Ok(None),
        Found::TooLong => Err(SkipReason::TooLong(MAX_TRACE_BYTES)),
        Found::Wrong(what) => Err(SkipReason::Unreadable((*what).to_owned())),
        Found::Value(bytes) => {
            serde_json::from_slice(bytes).map(Some).map_err(|error| SkipReason::Unreadable(error.to_string()))
        }
    }
}

/// A message behind its length; what is too long is passed over.
fn delimited(
    reader: &mut impl BufRead,
    byte: &mut u64,
) -> io::Result<Result<Option<TraceWrapper>, SkipReason>> {
    let Some(length) = varint(reader, byte)? else { return Ok(Ok(None)) };
    let mut message = Vec::new();
    let kept = length.min(MAX_TRACE_BYTES as u64 + 1);
    let read = reader.by_ref().take(kept).read_to_end(&mut message)? as u64;
    *byte += read;
    if length > kept {
        *byte += io::copy(&mut reader.by_ref().take(length - kept), &mut io::sink())?;
    }
    if read < kept {
        return Ok(Err(SkipReason::Unreadable("the file ends within it".to_owned())));
    }
    Ok(decode(&message).map(Some))
}

/// A length of at most ten bytes; none at the end of the file.
fn varint(reader: &mut impl BufRead, byte: &mut u64) -> io::Result<Option<u64>> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some(&next) = reader.fill_buf()?.first() else { return Ok(None) };
        reader.consume(1);
        *byte += 1;
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            break;
        }
    }
    Ok(Some(value))
}

fn decode(bytes: &[u8]) -> Result<TraceWrapper, SkipReason> {
    if bytes.len() > MAX_TRACE_BYTES {
        return Err(SkipReason::TooLong(MAX_TRACE_BYTES));
    }
    TraceWrapper::decode(bytes).map_err(|error| SkipReason::Unreadable(error.to_string()))
}

/// A whole trace: both messages with the instants of their heads.
fn draft(trace: HttpBufferedTrace) -> Result<Draft, SkipReason> {
    let request = trace.request.ok_or(SkipReason::Incomplete("request"))?;
    let response = trace.response.unwrap_or_default();
    let start = request.headers_received_time.and_then(|time| time.instant());
    let answered = response.headers_received_time.and_then(|time| time.instant());
    let between = start.zip(answered).map(|(start, answered)| answered.duration_since(start).as_micros());
    let response_start = between.and_then(|micros| u64::try_from(micros).ok());
    let mut draft = Draft { start, response_start, response_end: response_start, ..Draft::default() };
    for (message, side) in [(request, &mut draft.request), (response, &mut draft.response)] {
        side.headers = message.headers.into_iter().map(message::HeaderValue::into_pair).collect();
        side.trailers = message.trailers.into_iter().map(message::HeaderValue::into_pair).collect();
        side.body = match message.body {
            None => Body::Size(0),
            Some(body) if body.truncated => Body::CutOff(body.bytes().len() as u64),
            Some(body) => Body::of(body.into_bytes()),
        };
    }
    Ok(draft)
}

impl<R: BufRead> Iterator for Tap<R> {
    type Item = Result<Entry, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose().map(|entry| {
            entry.map_err(|source| {
                self.is_read = true;
                self.segments = Segments::default();
                let place = Place::entry(&self.settings.file, self.number, self.byte);
                TrafficError::Read { place, source }
            })
        })
    }
}

#[cfg(test)]
mod tests;
