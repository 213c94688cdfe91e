//! What comes: pieces of bodies, the upstream's answer, or that there is none.

use super::super::lanes::{Came, Source};
use super::super::properties;
use super::super::stats::{add, count};
use super::super::tape::Tape;
use super::super::upstream::{Answer, SendError};
use super::super::{clock, limits, wire};
use super::Exchange;
use crate::flow::{Part, Side, upstream_failed};
use crate::time::Timestamp;
use crate::vm::PropertyValue;

impl Exchange {
    /// A piece of a body, or trailers, from the wire.
    pub(super) fn take(&mut self, side: Side, came: Came) {
        let (part, end) = match came {
            Came::Data { bytes, end } => {
                self.measure(side, bytes.len());
                self.note(|tape, now| tape.data(side, &bytes, now));
                (Part::Data(bytes.into()), end)
            }
            Came::Trailers(trailers) => {
                self.note(|tape, _| tape.trailers(side, &trailers));
                (Part::Trailers(trailers), true)
            }
            Came::Broken(_) | Came::Gone => return,
        };
        if end {
            self.note(|tape, now| tape.end(side, now));
            if side == Side::Response {
                self.describe_latency();
            }
        }
        self.show(side, part, end);
    }

    pub(super) fn take_answer(&mut self, answer: Answer) {
        self.call = None;
        let Answer { mut response, is_http2 } = answer;
        self.upstream_is_http2 = is_http2;
        if self.leaves_http {
            self.upstream_upgrade = Some(hyper::upgrade::on(&mut response));
        }
        let (mut parts, body) = response.into_parts();
        if self.leaves_http && is_http2 && !self.passage.is_connect() {
            wire::switched(&mut parts, &self.upgrade);
        }
        let switches = self.leaves_http && self.switches(parts.status);
        // What the client has sent behind its request may be no HTTP.
        self.closes |= self.leaves_http && !switches && !self.is_http2;
        let end = !switches && hyper::body::Body::is_end_stream(&body);
        let head = wire::response_head(&parts);
        if limits::is_too_large(&head) {
            return self.fail(&SendError::TooLarge);
        }
        self.note(|tape, now| {
            tape.response(&head, now);
            if end {
                tape.end(Side::Response, now);
            }
        });
        self.passage.upstream_is_http2(is_http2);
        self.passage.describe(properties::answered());
        if end {
            self.describe_latency();
        } else if !switches {
            self.from_upstream = Source::Body(body);
        }
        self.show(Side::Response, Part::Head(head), end);
    }

    /// Whether a response of this status leaves HTTP, having been asked to.
    pub(super) fn switches(&self, status: hyper::StatusCode) -> bool {
        status == hyper::StatusCode::SWITCHING_PROTOCOLS || (self.passage.is_connect() && status.is_success())
    }

    /// No response came.
    pub(super) fn fail(&mut self, error: &SendError) {
        self.call = None;
        count(&self.worker.counts.upstream_failures);
        tracing::debug!("no response: {error}");
        let breach = error.breach();
        let mut reply = upstream_failed(breach.reason());
        let transport = error.transport();
        if !transport.is_empty() {
            reply.details =
                upstream_failed(&format!("{}|{}", breach.reason(), transport.replace(' ', "_"))).details;
            self.passage
                .describe(vec![(&["upstream", "transport_failure_reason"], properties::text(&transport))]);
        }
        self.passage.describe(properties::failed(breach.flags(), &String::from_utf8_lossy(&reply.details)));
        let outputs = self.passage.answer(reply);
        self.act(outputs);
    }

    pub(super) fn show(&mut self, side: Side, part: Part, end: bool) {
        let outputs = self.passage.show(side, part, end);
        self.act(outputs);
    }

    pub(super) fn measure(&mut self, side: Side, bytes: usize) {
        let [request, response] = &mut self.bytes;
        let counts = &self.worker.counts;
        let (sum, counter) = match side {
            Side::Request => (request, &counts.request_bytes),
            Side::Response => (response, &counts.response_bytes),
        };
        *sum += bytes as u64;
        add(counter, bytes);
    }

    pub(super) fn note(&mut self, note: impl FnOnce(&mut Tape, Timestamp)) {
        if let Some(tape) = &mut self.tape {
            note(tape, clock::now());
        }
    }

    pub(super) fn describe_latency(&self) {
        if let Some(called) = self.called {
            let latency = PropertyValue::Duration(clock::now().since(called));
            self.passage.describe(vec![(&["response", "backend_latency"], latency)]);
        }
    }
}
