//! Joins the segments of streamed traces, which may be mixed with those of others. Memory is bounded:
//! what waits beyond the bound is given on as it is.

use std::collections::VecDeque;

use super::message::{Body as Piece, HeaderMap, HeaderValue, Segment};
use crate::traffic::draft::{Body, Draft, Message, length};
use crate::traffic::{Chunk, Headers, Place};

/// How many traces may wait for their ends.
const MAX_WAITING: usize = 1_024;
/// How many bytes of bodies may wait.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Traces that may get more segments, in the order of their first ones.
#[derive(Default)]
pub(super) struct Segments {
    waiting: VecDeque<Trace>,
    bytes: usize,
}

struct Trace {
    id: u64,
    number: u64,
    place: Place,
    request: Side,
    response: Side,
    bytes: usize,
    has_ended: bool,
}

#[derive(Default)]
struct Side {
    headers: Headers,
    chunks: Vec<Chunk>,
    is_cut_off: bool,
    trailers: Headers,
}

impl Segments {
    /// Adds a segment to its trace; a second request head begins another trace of the same id.
    pub(super) fn add(&mut self, segment: Segment, number: u64, place: &Place) {
        let id = segment.trace_id;
        let is_first = segment.request_headers.is_some();
        let last = self.waiting.iter_mut().rev().find(|trace| trace.id == id && !trace.has_ended);
        let is_known = last.as_ref().is_some_and(|trace| !is_first || trace.request.headers.is_empty());
        if let Some(last) = last.filter(|_| !is_known) {
            last.has_ended = true;
        }
        if !is_known {
            let (request, response) = (Side::default(), Side::default());
            let place = place.clone();
            self.waiting.push_back(Trace {
                id,
                number,
                place,
                request,
                response,
                bytes: 0,
                has_ended: false,
            });
        }
        let Some(trace) = self.waiting.iter_mut().rev().find(|trace| trace.id == id) else { return };
        let before = trace.bytes;
        trace.add(segment);
        self.bytes += trace.bytes - before;
    }

    /// The oldest trace, if it has ended or can wait no longer.
    pub(super) fn release(&mut self, file_has_ended: bool) -> Option<(u64, Place, Draft)> {
        let is_full = self.waiting.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES;
        if !(file_has_ended || is_full || self.waiting.front()?.has_ended) {
            return None;
        }
        let trace = self.waiting.pop_front()?;
        self.bytes -= trace.bytes;
        let draft = Draft {
            request: trace.request.into_message(),
            response: trace.response.into_message(),
            ..Draft::default()
        };
        Some((trace.number, trace.place, draft))
    }
}

impl Trace {
    fn add(&mut self, segment: Segment) {
        self.request.headers.extend(pairs(segment.request_headers));
        self.request.trailers.extend(pairs(segment.request_trailers));
        self.response.headers.extend(pairs(segment.response_headers));
        self.has_ended |= segment.response_trailers.is_some();
        self.response.trailers.extend(pairs(segment.response_trailers));
        for (side, piece) in [
            (&mut self.request, segment.request_body_chunk),
            (&mut self.response, segment.response_body_chunk),
        ] {
            self.bytes += piece.as_ref().map_or(0, |piece| piece.bytes().len());
            side.add(piece);
        }
    }
}

impl Side {
    fn add(&mut self, piece: Option<Piece>) {
        let Some(piece) = piece else { return };
        self.is_cut_off |= piece.truncated;
        let data = piece.into_bytes();
        if !data.is_empty() {
            self.chunks.push(Chunk::new(data));
        }
    }

    fn into_message(self) -> Message {
        let body = match self.chunks {
            chunks if self.is_cut_off => Body::CutOff(length(&chunks)),
            chunks if chunks.is_empty() => Body::Size(0),
            chunks => Body::Whole(chunks),
        };
        Message { headers: self.headers, body, trailers: self.trailers }
    }
}

fn pairs(map: Option<HeaderMap>) -> Headers {
    map.map(|map| map.headers.into_iter().map(HeaderValue::into_pair).collect()).unwrap_or_default()
}
