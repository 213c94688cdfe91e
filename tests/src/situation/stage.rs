//! Where situations are played: an Envoy with two workers and two listeners that differ in the filter alone.

use std::thread::sleep;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::ends::{Ends, Label, Views};
use super::seen::Seen;
use super::spans::{Expected, Pass, Times, hex};
use super::{Protocol, Situation};
use crate::envoy::{Config, Envoy};
use crate::process::free_port;
use crate::sink::Sink;
use crate::wait;

const BOOTSTRAP: &str = "../tests/envoy/situations.yaml";
/// The same with the filter standing twice, once above the attempts.
const ATTEMPTS: &str = "../tests/envoy/attempts.yaml";
/// The trace that the client's request belongs to where nothing depends on it.
const PARENT_TRACE: &str = "51740000000000000000000000000000";
/// The span that the client's request comes from.
const PARENT: &str = "00f067aa0ba902b7";
/// Lines of Envoy's log that the filter may write in all, none of them a warning.
const LOG_LINES: usize = 8;
/// Connections from which on it is no chance that both workers have got some.
const MANY: usize = 24;

/// An Envoy with its upstream and its collector.
#[derive(Debug)]
pub struct Stage {
    envoy: Envoy,
    sink: Sink,
    ends: Ends,
    plain: u16,
    traced: u16,
}

/// A situation that has been played with the filter.
struct Played<'a> {
    situation: &'a Situation,
    protocol: Protocol,
    trace_id: String,
    views: Views,
    times: Times,
}

/// Plays all that `situations` say and panics with everything that was not as they say.
pub fn stage(situations: &[Situation]) {
    Stage::start(BOOTSTRAP).play(situations);
}

/// The same where the filter sees each attempt: `role: server` at the listener, `role: client` above the upstream.
pub fn stage_attempts(situations: &[Situation]) {
    Stage::start(ATTEMPTS).play(situations);
}

impl Stage {
    /// Where all but attempts are played.
    pub(super) fn usual() -> Stage {
        Stage::start(BOOTSTRAP)
    }

    /// Starts Envoy with this bootstrap.
    fn start(bootstrap: &str) -> Stage {
        let (ends, sink, plain, traced) = (Ends::start(), Sink::start(), free_port(), free_port());
        let config = Config::new(bootstrap, meshspan::filter_wasm()).concurrency(2);
        let config = config.port(15001, plain).port(15002, traced);
        let config = config.port(8080, ends.upstream_port()).port(4317, sink.port());
        Stage { envoy: config.start(), sink, ends, plain, traced }
    }

    /// Plays every situation without the filter and with it; panics with all that was not as they say.
    pub fn play(self, situations: &[Situation]) {
        let mut wrong = Vec::new();
        let mut played = Vec::new();
        for situation in situations {
            for protocol in situation.protocols {
                let trace_id = format!("5174{:028x}", played.len() + 1);
                println!("{} over {protocol:?}", situation.name);
                let plain = self.exchange(situation, *protocol, self.plain, &trace_id);
                let begin = wait::unix_nanos();
                let views = self.exchange(situation, *protocol, self.traced, &trace_id);
                let times = Times { begin, end: wait::unix_nanos() };
                let one = Played { situation, protocol: *protocol, trace_id, views, times };
                wrong.extend(one.differences(&plain).map(|why| one.says(&why)));
                played.push(one);
            }
        }
        let expected = played.iter().flat_map(|one| &one.situation.passes).map(Pass::spans).sum();
        let spans = self.settled(expected);
        for one in &played {
            wrong.extend(one.check(&spans).map(|why| one.says(&why)));
        }
        wrong.extend(self.counters(expected));
        wrong.extend(self.log());
        if played.len() > MANY {
            wrong.extend(self.idle_workers());
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Where Envoy listens without the filter.
    pub(super) fn plain_port(&self) -> u16 {
        self.plain
    }

    /// Where the upstream listens.
    pub(super) fn upstream_port(&self) -> u16 {
        self.ends.upstream_port()
    }

    /// What both ends see of a situation behind another proxy, before the same upstream.
    pub(super) fn both_ends(
        &self,
        situation: &Situation,
        protocol: Protocol,
        port: u16,
    ) -> (Seen, Vec<Seen>) {
        let Views { client, upstreams } = self.exchange(situation, protocol, port, PARENT_TRACE);
        (client, upstreams)
    }

    fn exchange(&self, situation: &Situation, protocol: Protocol, port: u16, trace_id: &str) -> Views {
        let traceparent = traceparent(trace_id, PARENT);
        self.ends.play(situation, protocol, port, &Label { traceparent, ..Label::default() })
    }

    /// The collector's spans once all have come, or enough time for them has passed.
    fn settled(&self, expected: usize) -> Vec<Span> {
        wait::until("every stream to end", || {
            let active = self.envoy.stats("http.traced.downstream_rq_active");
            active.values().all(|streams| *streams == 0).then_some(())
        });
        patiently(|| self.sink.spans().len() >= expected);
        // More than expected would come with the next batch.
        sleep(Duration::from_millis(300));
        self.sink.spans()
    }

    /// The filter's counters add up: `started = exported + dropped + rejected + queued`, and nothing was lost.
    fn counters(&self, expected: usize) -> Option<String> {
        let stats = || self.envoy.stats("wasmcustom.meshspan_");
        let is_right = patiently(|| {
            let stats = stats();
            let sum = |prefix: &str| -> u64 {
                stats.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, count)| count).sum()
            };
            let (started, exported) = (sum("spans_started"), sum("spans_exported"));
            let elsewhere = sum("spans_dropped") + sum("spans_rejected") + sum("queue_spans");
            started == exported + elsewhere && started == expected as u64 && elsewhere == 0
        });
        (!is_right).then(|| format!("{expected} spans expected, the counters are {:#?}", stats()))
    }

    fn log(&self) -> Option<String> {
        let log = self.envoy.log();
        let ours: Vec<_> = log.lines().filter(|line| line.contains("wasm log")).collect();
        let is_loud =
            |line: &&&str| ["[warning]", "[error]", "[critical]"].iter().any(|level| line.contains(level));
        let is_wrong = ours.len() > LOG_LINES || ours.iter().any(|line| is_loud(&line));
        is_wrong.then(|| format!("the filter's log lines:\n{}", ours.join("\n")))
    }

    fn idle_workers(&self) -> Option<String> {
        let connections = |worker: u8| -> u64 {
            let prefix = format!("listener.127.0.0.1_{}.worker_{worker}.downstream_cx_total", self.traced);
            self.envoy.stats(&prefix).values().sum()
        };
        let counts = [connections(0), connections(1)];
        counts.contains(&0).then(|| format!("connections of the two workers: {counts:?}"))
    }
}

impl Played<'_> {
    /// What either end saw otherwise than without the filter, and what the client saw against the situation's word.
    fn differences(&self, plain: &Views) -> impl Iterator<Item = String> {
        let differing = |end: &str, with: &Seen, without: &Seen| {
            (with.constant() != without.constant())
                .then(|| format!("the {end} saw without the filter\n{without}  and with it\n{with}"))
        };
        let mut wrong = Vec::new();
        wrong.extend(differing("client", &self.views.client, &plain.client));
        for (with, without) in self.views.upstreams.iter().zip(&plain.upstreams) {
            wrong.extend(differing("upstream", with, without));
        }
        let views = [&self.views, plain];
        let upstreams = self.situation.upstreams.len();
        if views.iter().any(|views| views.is_stuck() || views.upstreams.len() != upstreams) {
            wrong.push(format!(
                "not played to its end: without the filter\n{plain}  and with it\n{}",
                self.views
            ));
        }
        let (got, expected) = (self.views.client.status(), self.situation.answered);
        if got != expected {
            wrong.push(format!("the client got {got:?}, not {expected:?}\n{}", self.views.client));
        }
        wrong.into_iter()
    }

    /// What is wrong with this exchange's spans, among all of the stage's.
    fn check(&self, all: &[Span]) -> Option<String> {
        let spans: Vec<_> = all.iter().filter(|span| hex(&span.trace_id) == self.trace_id).cloned().collect();
        let expected = Expected {
            passes: &self.situation.passes,
            parent: PARENT,
            answered: self.situation.answered,
            times: self.times,
        };
        let clients = match expected.check(&spans) {
            Ok(clients) => clients,
            Err(why) => return Some(why),
        };
        // Each attempt of the last pass, and each pass before it, went onward as the CLIENT span.
        let mut allowed = if clients.is_empty() { vec![PARENT.to_owned()] } else { clients };
        allowed.iter_mut().for_each(|id| *id = traceparent(&self.trace_id, id));
        let seen: Vec<_> = self.views.upstreams.iter().flat_map(Seen::traceparents).collect();
        let expected = (0..seen.len()).filter_map(|attempt| allowed.get(attempt).or(allowed.last()));
        (!expected.eq(&seen)).then(|| format!("the upstream got {seen:?}, the spans allow {allowed:?}"))
    }

    fn says(&self, why: &str) -> String {
        format!("{} over {:?}: {why}", self.situation.name, self.protocol)
    }
}

/// Whether something comes true within a few seconds.
fn patiently(mut is_so: impl FnMut() -> bool) -> bool {
    (0..50).any(|_| {
        is_so() || {
            sleep(Duration::from_millis(100));
            false
        }
    })
}

fn traceparent(trace_id: &str, span_id: &str) -> String {
    format!("00-{trace_id}-{span_id}-01")
}
