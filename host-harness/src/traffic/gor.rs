//! GoReplay's files: requests and, if `--input-raw-track-response` was given, their responses, as raw
//! HTTP/1 behind a line of their own.
//! Spec: <https://github.com/buger/goreplay/wiki/Saving-and-Replaying-from-file>
//!
//! ```text
//! 1 d7123dasd913jfd2 1795323600000000000 -1
//! GET / HTTP/1.1…
//! 🐵🙈🙉
//! 2 d7123dasd913jfd2 1795323600005200000 5300000
//! HTTP/1.1 200 OK…
//! 🐵🙈🙉
//! ```
//! A request waits for its response until 1,024 others or 64 MiB have come after it, or the file ends;
//! then 200 after 1 ms stands for it. Requests keep their order.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read as _};

use super::draft::Draft;
use super::open::Settings;
use super::{Entry, Place, Skip, SkipReason, TrafficError, http1};

/// What ends a message.
const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();
/// The most bytes that one message may have: 64 MiB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// How many requests may wait for their responses.
const MAX_WAITING: usize = 1_024;
/// How many bytes may wait.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// The entries of a GoReplay file.
pub(super) struct GoReplay<R> {
    reader: R,
    byte: u64,
    number: u64,
    buffer: Vec<u8>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    settings: Settings,
    is_read: bool,
}

/// A request, with or without its response.
struct Waiting {
    id: String,
    number: u64,
    place: Place,
    draft: Result<Draft, SkipReason>,
    /// Nanoseconds since 1970.
    sent: i128,
    bytes: usize,
    is_answered: bool,
}

/// The line before a message.
struct Meta {
    kind: u8,
    id: String,
    /// Nanoseconds since 1970.
    instant: i128,
    /// Nanoseconds from the request's begin to the response's end; negative if unknown.
    latency: i128,
}

impl<R: BufRead> GoReplay<R> {
    pub(super) fn new(reader: R, settings: Settings) -> Self {
        let (buffer, waiting) = (Vec::new(), VecDeque::new());
        Self { reader, byte: 0, number: 0, buffer, waiting, waiting_bytes: 0, settings, is_read: false }
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        loop {
            let is_full = self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES;
            if self.waiting.front().is_some_and(|front| front.is_answered || is_full || self.is_read) {
                return Ok(self.release());
            }
            if self.is_read {
                return Ok(None);
            }
            self.number += 1;
            let place = Place::entry(&self.settings.file, self.number, self.byte);
            if let Some(reason) = self.take_message(&place)? {
                return Ok(Some(Entry::Skipped(Skip { place, reason })));
            }
        }
    }

    /// The oldest request that waits.
    fn release(&mut self) -> Option<Entry> {
        let Waiting { number, place, draft, bytes, is_answered, .. } = self.waiting.pop_front()?;
        self.waiting_bytes -= bytes;
        Some(match draft {
            Ok(mut draft) => {
                if !is_answered {
                    draft.assume_response();
                }
                draft.entry(number, place, &self.settings)
            }
            Err(reason) => Entry::Skipped(Skip { place, reason }),
        })
    }

    /// Reads a message and lets it wait, or joins it to its request; the reason if it can be neither.
    fn take_message(&mut self, place: &Place) -> io::Result<Option<SkipReason>> {
        if !self.read_message()? {
            self.is_read = true;
            return Ok(None);
        }
        if self.buffer.len() > MAX_MESSAGE_BYTES {
            return Ok(Some(SkipReason::TooLong(MAX_MESSAGE_BYTES)));
        }
        let Some((meta, message)) = parse_meta(&self.buffer) else {
            let expected = "no line with type, id and nanoseconds stands before it".to_owned();
            return Ok(Some(SkipReason::Unreadable(expected)));
        };
        match meta.kind {
            b'1' => {
                let draft = request(message, &meta);
                let (bytes, number, place) = (message.len(), self.number, place.clone());
                self.waiting_bytes += bytes;
                let Meta { id, instant: sent, .. } = meta;
                self.waiting.push_back(Waiting { id, number, place, draft, sent, bytes, is_answered: false });
                Ok(None)
            }
            b'2' => {
                let request = self
                    .waiting
                    .iter_mut()
                    .rev()
                    .find(|request| request.id == meta.id && !request.is_answered);
                let Some(request) = request else { return Ok(Some(SkipReason::Incomplete("request"))) };
                request.is_answered = true;
                request.bytes += message.len();
                self.waiting_bytes += message.len();
                join(request, message, &meta);
                Ok(None)
            }
            _ => Ok(Some(SkipReason::NotHttp("a response to a replay".to_owned()))),
        }
    }

    /// Reads up to the separator, which is left out; false at the end. Of what is too long, enough is
    /// kept to see that it is.
    fn read_message(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let mut is_too_long = false;
        loop {
            let most = (MAX_MESSAGE_BYTES + SEPARATOR.len()) as u64;
            let read = self.reader.by_ref().take(most).read_until(b'\n', &mut self.buffer)?;
            self.byte += read as u64;
            let is_whole = self.buffer.ends_with(SEPARATOR);
            if is_whole || read == 0 {
                let length = self.buffer.len() - if is_whole { SEPARATOR.len() } else { 0 };
                self.buffer.truncate(length);
                if is_too_long {
                    self.buffer.resize(MAX_MESSAGE_BYTES + 1, 0);
                }
                return Ok(is_whole || is_too_long || !self.buffer.trim_ascii().is_empty());
            }
            if self.buffer.len() > MAX_MESSAGE_BYTES + SEPARATOR.len() {
                is_too_long = true;
                let tail = self.buffer.len() - SEPARATOR.len();
                self.buffer.drain(..tail);
            }
        }
    }
}

fn parse_meta(bytes: &[u8]) -> Option<(Meta, &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let mut fields = std::str::from_utf8(bytes.get(..end)?).ok()?.split_ascii_whitespace();
    let (kind, id, instant) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
    let latency = fields.next().and_then(|latency| latency.parse().ok()).unwrap_or(-1);
    let kind = [b"1", b"2", b"3"].into_iter().flatten().find(|known| kind.as_bytes() == [**known])?;
    Some((Meta { kind: *kind, id: id.to_owned(), instant, latency }, bytes.get(end + 1..)?))
}

fn request(message: &[u8], meta: &Meta) -> Result<Draft, SkipReason> {
    let start = jiff::Timestamp::from_nanosecond(meta.instant).ok();
    Ok(Draft { start, ..http1::request(message)? })
}

/// What a response says, and when. A response that cannot be read takes its request with it.
fn join(request: &mut Waiting, message: &[u8], meta: &Meta) {
    let Ok(draft) = &mut request.draft else { return };
    if let Err(reason) = http1::response(message, draft) {
        request.draft = Err(reason);
        return;
    }
    let micros = |nanos: i128| u64::try_from(nanos / 1_000).ok();
    let began = micros(meta.instant - request.sent);
    let ended = micros(meta.latency).filter(|_| meta.latency >= 0);
    draft.response_start = began.or(ended);
    draft.response_end = ended.max(began);
}

impl<R: BufRead> Iterator for GoReplay<R> {
    type Item = Result<Entry, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose().map(|entry| {
            entry.map_err(|source| {
                self.is_read = true;
                self.waiting.clear();
                let place = Place::entry(&self.settings.file, self.number, self.byte);
                TrafficError::Read { place, source }
            })
        })
    }
}

/// Whether a file begins as GoReplay's do.
pub(super) fn is_start(head: &[u8]) -> bool {
    parse_meta(head).is_some_and(|(meta, _)| meta.instant > 0)
}

#[cfg(test)]
mod tests;
