//! What is noted of one exchange for the recording: as the client sent it, and as the upstream answered.

use hyper::body::Bytes;

use super::record::RecordOptions;
use crate::flow::Side;
use crate::host::HeaderMap;
use crate::time::Timestamp;
use crate::traffic::{Chunk, Exchange, Headers, Request, Response, Timing};

/// Notes of an exchange under way.
#[derive(Debug)]
pub(super) struct Tape {
    began: Timestamp,
    request: Request,
    response: Response,
    timing: Timing,
    /// The most bytes of a body that are kept; a longer one is known by its size.
    max_body_bytes: u64,
}

impl Tape {
    pub(super) fn new(began: Timestamp, head: &HeaderMap, max_body_bytes: u64) -> Self {
        let text =
            |name: &str| head.first(name).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let body = || (max_body_bytes > 0).then(Vec::new);
        Self {
            began,
            request: Request {
                method: text(":method"),
                scheme: text(":scheme"),
                authority: text(":authority"),
                path: text(":path"),
                headers: fields(head),
                body: body(),
                ..Request::default()
            },
            response: Response { body: body(), ..Response::default() },
            timing: Timing { request_end: 0, response_start: 0, response_end: 0 },
            max_body_bytes,
        }
    }

    pub(super) fn response(&mut self, head: &HeaderMap, now: Timestamp) {
        let status = head.first(":status").and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        self.response.status = status.unwrap_or_default();
        self.response.headers = fields(head);
        self.timing.response_start = self.micros(now);
    }

    pub(super) fn data(&mut self, side: Side, bytes: &Bytes, now: Timestamp) {
        let at_us = Some(self.micros(now));
        let (body, size) = match side {
            Side::Request => (&mut self.request.body, &mut self.request.body_bytes),
            Side::Response => (&mut self.response.body, &mut self.response.body_bytes),
        };
        *size += bytes.len() as u64;
        if *size > self.max_body_bytes {
            *body = None;
        } else if let Some(chunks) = body
            && !bytes.is_empty()
        {
            chunks.push(Chunk { at_us, data: bytes.to_vec() });
        }
    }

    pub(super) fn trailers(&mut self, side: Side, trailers: &HeaderMap) {
        match side {
            Side::Request => self.request.trailers = fields(trailers),
            Side::Response => self.response.trailers = fields(trailers),
        }
    }

    pub(super) fn end(&mut self, side: Side, now: Timestamp) {
        let micros = self.micros(now);
        match side {
            Side::Request => self.timing.request_end = micros,
            Side::Response => self.timing.response_end = micros,
        }
    }

    /// The exchange; `None` if no response of the upstream's came, or none that a recording holds.
    pub(super) fn into_exchange(mut self, id: u64, options: &RecordOptions) -> Option<Exchange> {
        // A response may overtake its request; a recording's times have an order.
        let Timing { request_end, response_start, response_end } = self.timing;
        let request_end = request_end.min(response_start);
        let response_end = response_end.max(response_start);
        for (body, last) in [(&mut self.request.body, request_end), (&mut self.response.body, response_end)] {
            for chunk in body.iter_mut().flatten() {
                chunk.at_us = chunk.at_us.map(|at| at.min(last));
            }
        }
        let nanos = i128::from(self.began.as_unix_nanos());
        let mut exchange = Exchange {
            id: format!("{}{id}", options.id_prefix),
            parent: None,
            source: options.source.clone(),
            destination: options.destination.clone(),
            start: jiff::Timestamp::from_nanosecond(nanos - nanos % 1000).ok()?,
            request: self.request,
            response: self.response,
            timing_us: Timing { request_end, response_start, response_end },
        };
        options.redactor.redact(&mut exchange);
        exchange.check().is_ok().then_some(exchange)
    }

    fn micros(&self, now: Timestamp) -> u64 {
        u64::try_from(now.since(self.began).as_micros()).unwrap_or(u64::MAX)
    }
}

fn fields(head: &HeaderMap) -> Headers {
    let fields = head.iter().filter(|(name, _)| !name.starts_with(b":"));
    fields.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options() -> RecordOptions {
        RecordOptions::new("client", "server")
    }

    #[test]
    fn an_exchange_is_noted_as_it_was_without_secrets() {
        let began = Timestamp::from_unix_nanos(1_700_000_000_000_000_999);
        let at = |micros| began.plus(Duration::from_micros(micros));
        let head = HeaderMap::from_pairs([
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "web"),
            (":path", "/a?b"),
            ("cookie", "secret"),
            ("x", "1"),
        ]);
        let mut tape = Tape::new(began, &head, 4);
        tape.data(Side::Request, &Bytes::from_static(b"ab"), at(10));
        tape.end(Side::Request, at(90));
        tape.response(&HeaderMap::from_pairs([(":status", "200"), ("y", "2")]), at(50));
        tape.data(Side::Response, &Bytes::from_static(b"abcde"), at(60));
        tape.trailers(Side::Response, &HeaderMap::from_pairs([("grpc-status", "0")]));
        tape.end(Side::Response, at(70));
        let exchange = tape.into_exchange(7, &options()).unwrap();
        assert_eq!((exchange.id.as_str(), exchange.request.path.as_str()), ("7", "/a?b"));
        assert_eq!(exchange.request.body.unwrap()[0].data, b"ab");
        assert_eq!((exchange.response.body, exchange.response.body_bytes), (None, 5), "longer than is kept");
        let cookie = &exchange.request.headers[0];
        assert_eq!((cookie.0.as_str(), cookie.1 == "secret"), ("cookie", false));
        let expected = Timing { request_end: 50, response_start: 50, response_end: 70 };
        assert_eq!(exchange.timing_us, expected, "the response overtook the request");
        assert_eq!(exchange.response.trailers.len(), 1);
    }

    #[test]
    fn what_a_recording_cannot_hold_is_left_out() {
        let head = HeaderMap::from_pairs([(":method", "GET"), (":scheme", "http"), (":path", "/")]);
        let tape = Tape::new(Timestamp::from_unix_nanos(5), &head, 0);
        assert!(tape.into_exchange(1, &options()).is_none(), "no response came");
    }
}
