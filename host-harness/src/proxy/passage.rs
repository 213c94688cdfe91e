//! An exchange's way through the filter, or past it where that has failed.

use std::sync::Arc;

use tokio::sync::Notify;

use super::guest::{Guest, Key};
use super::properties::Properties;
use super::stats::count;
use super::worker::Worker;
use crate::flow::{FlowOptions, HTTP2_WINDOW_BYTES, Output, Part, Side, local_reply};
use crate::host::HeaderMap;
use crate::vm::{LocalReply, Outcome, StreamAction};

/// How an exchange passes.
pub(super) struct Passage {
    kind: Kind,
    /// What a reply of our own has to heed.
    request: HeaderMap,
    has_answered: bool,
    has_begun: bool,
}

enum Kind {
    Filtered(Arc<Guest>, Key),
    /// The filter has failed, and traffic goes on without it.
    Plain,
    /// The filter has failed, and traffic with it.
    Refused,
}

impl Passage {
    /// The way of a request with this head.
    pub(super) fn open(worker: &Worker, is_http2: bool, head: &HeaderMap, wake: &Arc<Notify>) -> Self {
        let options = FlowOptions {
            buffer_limit_bytes: match is_http2 {
                true => worker.buffer_limit_bytes.max(HTTP2_WINDOW_BYTES),
                false => worker.buffer_limit_bytes,
            },
            is_downstream_http2: is_http2,
            is_upstream_http2: is_http2,
        };
        let guest = worker.guest();
        let kind = match guest.open(options, wake) {
            Outcome::Filtered(key) => Kind::Filtered(guest, key),
            Outcome::Bypassed => Kind::Plain,
            Outcome::Refused => Kind::Refused,
        };
        if !matches!(kind, Kind::Filtered(..)) {
            count(&worker.counts.unfiltered);
        }
        let mut request = HeaderMap::new();
        for name in [":method", "content-type"] {
            if let Some(value) = head.first(name) {
                request.add(name, value);
            }
        }
        Self { kind, request, has_answered: false, has_begun: false }
    }

    pub(super) fn is_connect(&self) -> bool {
        self.request.first(":method") == Some(b"CONNECT")
    }

    pub(super) fn describe(&self, properties: Properties) {
        if let Kind::Filtered(guest, key) = &self.kind {
            guest.describe(*key, properties);
        }
    }

    /// The same for later; the exchange may be over by then.
    pub(super) fn describer(&self) -> impl Fn(Properties) + Send + use<> {
        let way = match &self.kind {
            Kind::Filtered(guest, key) => Some((Arc::clone(guest), *key)),
            Kind::Plain | Kind::Refused => None,
        };
        move |properties| {
            if let Some((guest, key)) = &way {
                guest.describe(*key, properties);
            }
        }
    }

    /// The response comes by another version of HTTP than the request.
    pub(super) fn upstream_is_http2(&self, is_http2: bool) {
        if let Kind::Filtered(guest, key) = &self.kind {
            guest.step(*key, |flow, _| {
                flow.set_upstream_http2(is_http2);
                Ok(())
            });
        }
    }

    /// Shows the filter a part from the wire.
    pub(super) fn show(&mut self, side: Side, part: Part, end: bool) -> Vec<Output> {
        match &self.kind {
            Kind::Filtered(guest, key) => guest.step(*key, |flow, vm| match part {
                Part::Head(head) => flow.head(vm, side, head, end),
                Part::Data(bytes) => flow.data(vm, side, bytes, end),
                Part::Trailers(trailers) => flow.trailers(vm, side, trailers),
            }),
            Kind::Plain if self.has_answered => Vec::new(),
            Kind::Plain => {
                self.has_begun |= side == Side::Response;
                vec![Output::Forward { side, part, end }]
            }
            Kind::Refused if self.has_answered => Vec::new(),
            Kind::Refused => self.answer(crate::flow::vm_failed()),
        }
    }

    /// Answers in the upstream's place.
    pub(super) fn answer(&mut self, reply: LocalReply) -> Vec<Output> {
        if let Kind::Filtered(guest, key) = &self.kind {
            return guest.step(*key, |flow, vm| flow.answer(vm, reply));
        }
        if std::mem::replace(&mut self.has_answered, true) || self.has_begun {
            return vec![Output::Reset];
        }
        let details = reply.details.clone();
        let (head, body) = local_reply(&self.request, reply);
        let end = body.is_empty();
        let mut outputs = vec![
            Output::Answered { details },
            Output::Forward { side: Side::Response, part: Part::Head(head), end },
        ];
        if !end {
            outputs.push(Output::Forward { side: Side::Response, part: Part::Data(body), end: true });
        }
        outputs
    }

    /// The upstream broke off.
    pub(super) fn reset(&self) -> Vec<Output> {
        match &self.kind {
            Kind::Filtered(guest, key) => guest.step(*key, |flow, vm| flow.apply(vm, StreamAction::Close)),
            Kind::Plain | Kind::Refused => vec![Output::Reset],
        }
    }

    /// What the filter decided meanwhile.
    pub(super) fn outputs(&self) -> Vec<Output> {
        match &self.kind {
            Kind::Filtered(guest, key) => guest.outputs(*key),
            Kind::Plain | Kind::Refused => Vec::new(),
        }
    }

    pub(super) fn close(&self) {
        if let Kind::Filtered(guest, key) = &self.kind {
            guest.close(*key);
        }
    }
}
