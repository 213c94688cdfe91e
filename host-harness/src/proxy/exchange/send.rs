//! What goes: the request, the response, and what the filter wants done beside them.

use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::upgrade::OnUpgrade;

use super::super::body::{Body, CHANNEL, channel};
use super::super::lanes::Source;
use super::super::stats::count;
use super::super::upstream::Outbound;
use super::super::{clock, properties, tunnel, wire};
use super::{Exchange, Progress};
use crate::flow::{Output, Part, Side};
use crate::host::HeaderMap;

impl Exchange {
    pub(super) fn act(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Forward { side: Side::Request, part: Part::Head(head), end } => {
                    self.send_request(head, end);
                }
                Output::Forward { side: Side::Request, part, end } => self.to_upstream.push(part, end),
                Output::Forward { side: Side::Response, part: Part::Head(head), end } => {
                    self.send_response(&head, end);
                }
                Output::Forward { side: Side::Response, part, end } => self.to_client.push(part, end),
                Output::Answered { .. } => {
                    count(&self.worker.counts.answered);
                    self.forget_upstream();
                }
                Output::Reset => self.progress = Progress::Reset,
                Output::Stop(side) => self.set_stopped(side, true),
                Output::Resume(side) => self.set_stopped(side, false),
            }
        }
    }

    pub(super) fn send_request(&mut self, head: HeaderMap, end: bool) {
        let body = if end || self.leaves_http {
            Body::Empty
        } else {
            let (sender, body) = channel(CHANNEL);
            self.to_upstream.connect(sender);
            body
        };
        self.called = Some(clock::now());
        let (pool, describe) = (Arc::clone(&self.worker.upstream), self.passage.describer());
        describe(properties::chosen(pool.address()));
        let (prefers_http2, leaves_http) = (self.is_http2, self.leaves_http);
        self.call = Some(Box::pin(async move {
            let request = Outbound { head: &head, body, prefers_http2, leaves_http };
            pool.send(request, |ends| describe(properties::connected(ends))).await
        }));
    }

    pub(super) fn send_response(&mut self, head: &HeaderMap, end: bool) {
        let body = if let Some((upstream, client)) = self.take_upgrades(head) {
            let (upstream, client) = (tunnel::open(upstream), tunnel::open(client));
            let half_closes = self.upstream_is_http2;
            self.from_upstream = Source::Tunnel { bytes: upstream.incoming, half_closes };
            self.to_upstream.connect(upstream.outgoing);
            let half_closes = self.is_http2;
            self.from_client = Source::Tunnel { bytes: client.incoming, half_closes };
            self.to_client.connect(client.outgoing);
            Body::Empty
        } else if end {
            Body::Empty
        } else {
            let (sender, body) = channel(CHANNEL);
            self.to_client.connect(sender);
            body
        };
        match (wire::response(head, body), self.respond.take()) {
            (Ok(mut response), Some(respond)) => {
                if self.is_http2 {
                    wire::unswitched(&mut response);
                }
                if self.closes {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                if respond.send(response).is_err() {
                    self.progress = Progress::Abandoned;
                } else if end {
                    self.progress = Progress::Completed;
                }
            }
            (Ok(_), None) => {}
            (Err(error), _) => {
                tracing::warn!("{error}");
                self.progress = Progress::Reset;
            }
        }
    }

    /// Both connections, if this head makes them leave HTTP.
    pub(super) fn take_upgrades(&mut self, head: &HeaderMap) -> Option<(OnUpgrade, OnUpgrade)> {
        let status = hyper::StatusCode::from_bytes(head.first(":status")?).ok()?;
        if !self.switches(status) {
            return None;
        }
        self.upstream_upgrade.take().zip(self.client_upgrade.take())
    }

    /// Another answers in the upstream's place.
    pub(super) fn forget_upstream(&mut self) {
        self.call = None;
        self.from_upstream = Source::Ended;
        self.upstream_upgrade = None;
        self.to_upstream.cut();
        self.closes |= self.from_client.is_open() && !self.is_http2 && !self.leaves_http;
        self.from_client = Source::Ended;
    }

    pub(super) fn set_stopped(&mut self, side: Side, is_stopped: bool) {
        let [request, response] = &mut self.stopped;
        *if side == Side::Request { request } else { response } = is_stopped;
    }
}
