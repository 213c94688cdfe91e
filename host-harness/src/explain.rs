//! Why a filter did what it did: each recorded exchange through each proxy that it passes, with every callback and
//! every hostcall in words.
//!
//! Exchanges go one after the other, each as it was recorded, through a host of [`crate::testing`] for each proxy.
//! What an application would have copied from one request to another is [`crate::replay`]'s affair.
//! `Exchange` → `[Explained { proxy: "web inbound", callbacks: […] }]`

use std::collections::BTreeMap;

use serde::Serialize;

use crate::host::{CallbackRecord, HeaderMap};
use crate::replay::{Mesh, ProxyId, ReplayOptions, request_headers, response_headers, response_trailers};
use crate::testing::{self, Answer, TestHost};
use crate::time::Timestamp;
use crate::traffic::{Chunk, Exchange, HeaderValue};
use crate::vm::{Filter, PluginOptions, VmError};

/// Most bytes that stand for a body whose bytes were not recorded.
const MOST_ZEROS: u64 = 1 << 20;
/// The most bytes of them that come at once.
const PIECE: usize = 16 << 10;

/// One request's pass through one proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The exchange's id.
    pub exchange: String,
    /// Such as `web inbound`.
    pub proxy: String,
    /// Method and path.
    pub request: String,
    /// What became of it: `passed`, `answered by 403`, the filter's failure.
    pub outcome: String,
    /// The plugin's own callbacks since the pass before, and its start: ticks, answers to its calls.
    pub plugin: Vec<CallbackRecord>,
    /// The stream's callbacks.
    pub stream: Vec<CallbackRecord>,
}

impl Explained {
    /// Whether a hostcall was not OK, or a callback did not return.
    pub fn has_failures(&self) -> bool {
        self.plugin.iter().chain(&self.stream).any(CallbackRecord::has_failures)
    }
}

/// The proxies, each with its host.
#[derive(Debug)]
pub struct Explainer<'a> {
    filter: &'a Filter,
    mesh: Mesh<'a>,
    options: ReplayOptions,
    answers: BTreeMap<String, u16>,
    hosts: BTreeMap<String, TestHost>,
}

impl<'a> Explainer<'a> {
    /// Nothing is started before traffic comes. The filter's calls to the clusters in `answers` get these
    /// statuses, others are taken as a collector takes them.
    pub fn new(
        filter: &'a Filter,
        mesh: Mesh<'a>,
        options: ReplayOptions,
        answers: BTreeMap<String, u16>,
    ) -> Self {
        Self { filter, mesh, options, answers, hosts: BTreeMap::new() }
    }

    /// Sends an exchange through the proxies that it passes.
    ///
    /// # Errors
    /// [`VmError`] if the filter cannot be started.
    pub fn explain(&mut self, exchange: &Exchange) -> Result<Vec<Explained>, VmError> {
        let mut head = request_headers(exchange);
        let mut explained = Vec::new();
        for id in self.mesh.proxies(exchange) {
            let proxy = id.to_string();
            let start = at(exchange);
            if !self.hosts.contains_key(&proxy) {
                let host = self.start(&id, start)?;
                self.hosts.insert(proxy.clone(), host);
            }
            let Some(host) = self.hosts.get_mut(&proxy) else { continue };
            host.advance(start.since(host.now()));
            let sent = pass(host, exchange, head.clone())?;
            explained.push(explained_pass(host, exchange, proxy, &sent));
            host.forget();
            match sent.request {
                Some(onward) => head = onward.head,
                None => break,
            }
        }
        Ok(explained)
    }

    fn start(&self, id: &ProxyId, start: Timestamp) -> Result<TestHost, VmError> {
        let plugin = self.mesh.plugin(id, &self.options);
        let clusters = plugin.clusters.clone();
        let host = TestHost::of(self.filter)
            .options(|options| *options = PluginOptions { start, seed: self.options.seed, ..plugin })
            .failure_policy(self.options.failure_policy);
        let answer =
            |name| self.answers.get(name).map_or_else(Answer::collector, |status| Answer::http(*status));
        clusters.iter().fold(host, |host, name| host.cluster(name, answer(name))).start()
    }
}

fn explained_pass(
    host: &TestHost,
    exchange: &Exchange,
    proxy: String,
    sent: &testing::Exchange,
) -> Explained {
    let stream = sent.callbacks.clone();
    let is_own = |callback: &&CallbackRecord| !stream.iter().any(|own| own.context == callback.context);
    Explained {
        exchange: exchange.id.clone(),
        proxy,
        request: format!("{} {}", exchange.request.method, exchange.request.path),
        outcome: outcome(sent),
        plugin: host.callbacks().iter().filter(is_own).cloned().collect(),
        stream,
    }
}

fn pass(host: &mut TestHost, exchange: &Exchange, head: HeaderMap) -> Result<testing::Exchange, VmError> {
    let (request, response) = (&exchange.request, &exchange.response);
    let timing = exchange.timing_us;
    let took = std::time::Duration::from_micros(timing.response_start.saturating_sub(timing.request_end));
    let mut sent = host.request().head(head).upstream_takes(took);
    if let Some(chunks) = body(request.body.as_deref(), request.body_bytes) {
        sent = sent.body_chunks(chunks);
    }
    if !request.trailers.is_empty() {
        sent = sent.trailers(trailers(&request.trailers));
    }
    if exchange.is_grpc() {
        sent = sent.http2();
    }
    let mut sent = sent.respond(response.status).head(response_headers(exchange));
    if let Some(chunks) = body(response.body.as_deref(), response.body_bytes) {
        sent = sent.body_chunks(chunks);
    }
    if !response.trailers.is_empty() {
        sent = sent.trailers(response_trailers(exchange));
    }
    sent.send()
}

fn outcome(sent: &testing::Exchange) -> String {
    match (&sent.failure, &sent.answered, sent.held) {
        (Some(failure), answered, _) => {
            let what = match answered {
                Some(_) => format!("answered by {}", sent.status()),
                None if sent.is_reset => "reset".to_owned(),
                None => "passed".to_owned(),
            };
            // It may have failed in another exchange, or between them.
            let who = if sent.callbacks.is_empty() { " without the filter, which failed before" } else { "" };
            format!("{what}{who}: {failure}")
        }
        (None, Some(details), _) => format!("answered by {} ({details})", sent.status()),
        (None, None, Some(side)) => format!("the {side:?} is held").to_lowercase(),
        (None, None, None) if sent.is_reset => "reset".to_owned(),
        (None, None, None) => "passed".to_owned(),
    }
}

fn at(exchange: &Exchange) -> Timestamp {
    Timestamp::from_unix_nanos(u64::try_from(exchange.start.as_nanosecond()).unwrap_or_default())
}

fn trailers(trailers: &[(String, HeaderValue)]) -> HeaderMap {
    HeaderMap::from_pairs(trailers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_bytes())))
}

/// The recorded body, or zeros in its stead.
fn body(chunks: Option<&[Chunk]>, bytes: u64) -> Option<Vec<Vec<u8>>> {
    if let Some(chunks) = chunks {
        return (!chunks.is_empty()).then(|| chunks.iter().map(|chunk| chunk.data.to_vec()).collect());
    }
    let zeros = vec![0; usize::try_from(bytes.min(MOST_ZEROS)).unwrap_or_default()];
    (bytes > 0).then(|| zeros.chunks(PIECE).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use crate::topology::Emojivoto;
    use crate::traffic::jsonl::JsonLines;
    use crate::vm::{FailurePolicy, Limits};

    use super::*;

    fn explained(filter: &Filter, count: usize) -> Vec<Explained> {
        let topology = Emojivoto::B3.topology().unwrap();
        let options = ReplayOptions::new(1);
        let mut explainer = Explainer::new(filter, Mesh::Topology(&topology), options, BTreeMap::new());
        let exchanges = JsonLines::new(Emojivoto::B3.recording()).take(count);
        exchanges.flat_map(|exchange| explainer.explain(&exchange.unwrap()).unwrap()).collect()
    }

    #[test]
    fn each_pass_has_its_callbacks_and_nothing_of_our_filter_is_refused() {
        let filter = Filter::compile(crate::filter_wasm(), Limits::default()).unwrap();
        let passes = explained(&filter, 20);
        assert_eq!(passes.len(), 40, "two proxies each");
        assert!(passes.iter().all(|pass| pass.outcome == "passed"), "{:?}", passes[0]);
        assert!(passes[0].plugin.iter().any(|callback| callback.name == "proxy_on_configure"), "its start");
        for pass in &passes {
            let names: Vec<&str> = pass.stream.iter().map(|callback| callback.name).collect();
            assert_eq!(names[1], "proxy_on_request_headers", "{names:?}");
            assert_eq!(names.last(), Some(&"proxy_on_delete"));
            let refused = pass.plugin.iter().chain(&pass.stream).flat_map(|callback| &callback.hostcalls);
            let refused: Vec<_> = refused.filter(|hostcall| hostcall.is_refused()).collect();
            assert!(refused.is_empty(), "{refused:?}");
        }
        assert!(passes.iter().skip(2).any(|pass| !pass.plugin.is_empty()), "ticks between the exchanges");
    }

    #[test]
    fn a_filter_that_fails_is_told_and_the_pass_behind_it_left_out() {
        let wat = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable)))"#;
        let filter = Filter::compile(&wat::parse_str(wat).unwrap(), Limits::default()).unwrap();
        let passes = explained(&filter, 1);
        assert_eq!(passes.len(), 1, "the request never comes to the destination's proxy");
        let trapped = "answered by 503: the filter trapped in proxy_on_request_headers";
        assert!(passes[0].outcome.starts_with(trapped), "{passes:?}");
        assert!(passes[0].has_failures());
        let topology = Emojivoto::B3.topology().unwrap();
        let options = ReplayOptions { failure_policy: FailurePolicy::FailOpen, ..ReplayOptions::new(1) };
        let mut explainer = Explainer::new(&filter, Mesh::Topology(&topology), options, BTreeMap::new());
        let exchanges = JsonLines::new(Emojivoto::B3.recording()).take(50);
        let outcomes: Vec<String> = exchanges
            .flat_map(|one| explainer.explain(&one.unwrap()).unwrap())
            .map(|pass| pass.outcome)
            .collect();
        assert!(outcomes[0].starts_with("passed: the filter trapped in"), "{outcomes:?}");
        let gone = "passed without the filter, which failed before: the filter trapped in";
        assert!(outcomes.iter().any(|outcome| outcome.starts_with(gone)), "{outcomes:?}");
    }
}
