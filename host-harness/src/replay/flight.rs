//! One exchange under way: what happens to it, step by step.

use std::net::SocketAddr;

use super::application::{Applications, Handling, Sent};
use super::head::{Head, Side};
use super::mesh::Mesh;
use super::message::{response_headers, response_trailers};
use super::pass::{Connection, Pass, Reply, World};
use super::schedule::{Passage, Step};
use crate::host::HeaderMap;

/// An exchange under way.
#[derive(Default)]
pub(super) struct Flight {
    sent: Option<Sent>,
    /// The request's head, as it has left the last proxy that it passed.
    request: HeaderMap,
    passes: Vec<Pass>,
    response: Reply,
    /// What a filter answered in the destination's stead, and at which hop.
    local: Option<(usize, Reply)>,
}

/// Who is at the ends of an exchange.
pub(super) struct Surroundings<'e, 'a> {
    pub(super) applications: &'e mut Applications<'a>,
    pub(super) mesh: Mesh<'a>,
    /// Where to keep the heads that leave proxies, if anybody wants them.
    pub(super) heads: Option<&'e mut Vec<Head>>,
}

impl Flight {
    /// The source application has sent.
    pub(super) fn begin(&mut self, sent: Sent) {
        self.request = sent.headers.clone();
        self.sent = Some(sent);
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Takes the next step. If the destination gets the request, what its application knows of it is
    /// handed back.
    pub(super) fn go_on(
        &mut self,
        passage: &Passage,
        step: Step,
        surroundings: Surroundings<'_, '_>,
        mut world: World<'_, '_>,
    ) -> Option<Handling> {
        let exchange = &passage.exchange;
        match step {
            Step::Send => {}
            Step::Request(hop) => {
                let connection = connection(passage, surroundings.mesh)?;
                let place = passage.hops.get(hop).filter(|_| self.local.is_none())?;
                let has_body = exchange.request.body_bytes > 0;
                let given = surroundings.heads.is_some().then(|| self.request.clone());
                let (pass, reply) = Pass::begin(&mut world, *place, connection, &mut self.request, has_body);
                self.passes.push(pass);
                self.local = reply.map(|reply| (hop, reply));
                surroundings.keep(passage, (hop, Side::Request), given, &self.request);
            }
            Step::RequestEnd(hop) => {
                let pass = self.passes.get_mut(hop)?;
                if self.local.as_ref().is_none_or(|(local, _)| *local > hop) {
                    let reply = pass.request_body(&mut world, exchange.request.body_bytes);
                    self.local = reply.map(|reply| (hop, reply)).or(self.local.take());
                }
            }
            Step::Arrive => {
                self.response = recorded(passage);
                let arrives = self.local.is_none();
                return arrives.then(|| surroundings.applications.receive(passage, &self.request));
            }
            Step::ResponseStart(hop) => {
                self.take_local(hop);
                let given = surroundings.heads.is_some().then(|| self.response.head.clone());
                self.passes.get_mut(hop)?.response_head(&mut world, &mut self.response);
                surroundings.keep(passage, (hop, Side::Response), given, &self.response.head);
            }
            Step::ResponseEnd(hop) => self.passes.get_mut(hop)?.end(&mut world, &self.response),
            Step::Finish => {
                let mut response = self.response.head.clone();
                self.response.trailers.iter().for_each(|(name, value)| response.add(name, value));
                surroundings.applications.finish(passage, self.sent.as_ref()?, &response);
            }
        }
        None
    }

    /// From this hop outward, what its filter answered takes the place of the response.
    fn take_local(&mut self, hop: usize) {
        if let Some((_, reply)) = self.local.take_if(|(local, _)| *local == hop) {
            self.response = reply;
        }
    }
}

impl Surroundings<'_, '_> {
    /// Keeps a head as it left the proxy at `hop`, unless nobody wants it.
    fn keep(self, passage: &Passage, at: (usize, Side), given: Option<HeaderMap>, left: &HeaderMap) {
        let (hop, side) = at;
        let (Some(heads), Some(given), Some(proxy)) = (self.heads, given, passage.proxies.get(hop)) else {
            return;
        };
        let exchange = passage.exchange.id.clone();
        heads.push(Head { exchange, proxy: proxy.to_string(), side, given, left: left.clone() });
    }
}

fn connection(passage: &Passage, mesh: Mesh<'_>) -> Option<Connection> {
    let (source, destination) = mesh.addresses(&passage.exchange)?;
    // Linux's ephemeral ports are 32768 to 60999.
    let port = 32_768 + u16::try_from(passage.number % 28_232).unwrap_or_default();
    let is_http2 = passage.exchange.is_grpc();
    Some(Connection { source: SocketAddr::new(source, port), destination, is_http2 })
}

fn recorded(passage: &Passage) -> Reply {
    let exchange = &passage.exchange;
    Reply {
        head: response_headers(exchange),
        body_bytes: exchange.response.body_bytes,
        trailers: response_trailers(exchange),
        details: b"via_upstream".to_vec(),
    }
}
