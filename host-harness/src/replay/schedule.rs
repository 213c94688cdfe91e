//! When each exchange is where: recorded instants and the mesh's latencies → a [`Passage`]. Pure.
//!
//! The source saw the request leave at S and the response end at E; everything nests between the two:
//!
//! ```text
//! app CLIENT   S ────────────────────────────────── E
//! out.SERVER     loopback ──────────────────────
//! out.CLIENT              proxy ────────────────
//! in.SERVER                     wire ───── wire + proxy
//! in.CLIENT                          proxy ──
//! app SERVER                            loopback ─ proxy + loopback
//! ```
//!
//! A proxy's time on the way back is spent before the last byte counts as received from upstream, so
//! its two spans end together. An exchange too short for the latencies gets as much of them as fits
//! in half of its time, and in nine tenths of the time before and after the calls made for it.

use std::collections::HashMap;
use std::sync::Arc;

use super::link::{Linked, Parent, finished, sent};
use super::mesh::{Mesh, ProxyId};
use crate::time::Timestamp;
use crate::topology::{Latency, Route};
use crate::traffic::Exchange;

/// Lays exchanges out in time, and numbers the proxies that they pass.
pub(super) struct Planner<'a> {
    mesh: Mesh<'a>,
    proxies: HashMap<ProxyId, (usize, Arc<ProxyId>)>,
}

/// One exchange with its way through the mesh.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) exchange: Exchange,
    /// Its place in the recording's order.
    pub(super) number: u64,
    /// The exchange in whose handling this one was made.
    pub(super) parent: Option<Parent>,
    /// When the source sent, and when it had the whole response.
    pub(super) sent: Timestamp,
    pub(super) finished: Timestamp,
    /// The caller's proxy, then the callee's, as far as they are passed.
    pub(super) hops: Vec<Hop>,
    /// For each hop, whose proxy it is.
    pub(super) proxies: Vec<Arc<ProxyId>>,
    /// When the destination got the request, and when it had answered.
    pub(super) arrived: Timestamp,
    pub(super) answered: Timestamp,
}

/// One pass through a proxy. Each instant is not before the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// The proxy's number, the same in all of the replay.
    pub(super) proxy: usize,
    /// The request's first byte arrives.
    pub(super) arrives: Timestamp,
    /// The request's head goes onward.
    pub(super) forwards: Timestamp,
    /// The request's last byte goes onward.
    pub(super) request_end: Timestamp,
    /// The response's head goes back.
    pub(super) response_start: Timestamp,
    /// The response's last byte goes back.
    pub(super) response_end: Timestamp,
}

/// What happens to one exchange, in causal order. The number is the hop's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send,
    Request(usize),
    Arrive,
    RequestEnd(usize),
    ResponseStart(usize),
    ResponseEnd(usize),
    /// The filter has held a message for too long.
    TimeOut(usize),
    Finish,
}

impl<'a> Planner<'a> {
    pub(super) fn new(mesh: Mesh<'a>) -> Self {
        Self { mesh, proxies: HashMap::new() }
    }

    /// The exchange's way through the mesh.
    pub(super) fn passage(&mut self, linked: Linked) -> Passage {
        let Linked { exchange, number, parent, room, .. } = linked;
        let proxies: Vec<_> = self.mesh.proxies(&exchange).into_iter().map(|id| self.number(id)).collect();
        let (ways, total) = offsets(self.mesh.latency(), self.mesh.route(&exchange));
        let shrink = |offset: u64, room: u64| {
            let shrunk = u128::from(offset) * u128::from(room.min(total)) / u128::from(total.max(1));
            u64::try_from(shrunk).unwrap_or(room)
        };
        let start = sent(&exchange).as_unix_nanos();
        let after = |offset: u64| Timestamp::from_unix_nanos(start.saturating_add(offset));
        let response_start = exchange.timing_us.response_start.saturating_mul(1_000);
        let response_end = exchange.timing_us.response_end.saturating_mul(1_000);
        let body_time = exchange.timing_us.request_end.saturating_mul(1_000);
        let hops = proxies.iter().zip(ways).map(|((proxy, _), (arrives, forwards))| {
            let (arrives_back, forwards) = (shrink(arrives, room.back), shrink(forwards, room.there));
            let head = response_start.saturating_sub(arrives_back);
            Hop {
                proxy: *proxy,
                arrives: after(shrink(arrives, room.there)),
                forwards: after(forwards),
                request_end: after(forwards.saturating_add(body_time).min(head)),
                response_start: after(head),
                response_end: after(response_end.saturating_sub(arrives_back)),
            }
        });
        Passage {
            number,
            parent,
            sent: sent(&exchange),
            finished: finished(&exchange),
            hops: hops.collect(),
            arrived: after(shrink(total, room.there)),
            answered: after(response_end.saturating_sub(shrink(total, room.back))),
            proxies: proxies.into_iter().map(|(_, id)| id).collect(),
            exchange,
        }
    }

    fn number(&mut self, id: ProxyId) -> (usize, Arc<ProxyId>) {
        if let Some((number, id)) = self.proxies.get(&id) {
            return (*number, Arc::clone(id));
        }
        let numbered = (self.proxies.len(), Arc::new(id.clone()));
        self.proxies.insert(id, numbered.clone());
        numbered
    }
}

impl Passage {
    /// When a step is to happen if no filter holds anything.
    pub(super) fn planned(&self, step: Step) -> Timestamp {
        let hop =
            |hop: usize, instant: fn(&Hop) -> Timestamp| self.hops.get(hop).map_or(self.finished, instant);
        match step {
            Step::Send => self.sent,
            Step::Request(index) => hop(index, |hop| hop.forwards),
            Step::Arrive => self.arrived,
            Step::RequestEnd(index) => hop(index, |hop| hop.request_end),
            Step::ResponseStart(index) => hop(index, |hop| hop.response_start),
            Step::ResponseEnd(index) => hop(index, |hop| hop.response_end),
            Step::TimeOut(_) | Step::Finish => self.finished,
        }
    }

    /// Steps at the same instant happen in the order of their ranks.
    pub(super) fn rank(&self, step: Step) -> u8 {
        let hops = self.hops.len();
        let inward = |index: usize| hops.saturating_sub(index + 1);
        let rank = match step {
            Step::Send => 0,
            Step::Request(index) => 1 + index,
            Step::Arrive => 1 + hops,
            Step::RequestEnd(index) => 2 + hops + index,
            Step::ResponseStart(index) => 2 + 2 * hops + inward(index),
            Step::ResponseEnd(index) => 2 + 3 * hops + inward(index),
            Step::TimeOut(index) => 2 + 4 * hops + index,
            Step::Finish => 2 + 5 * hops,
        };
        u8::try_from(rank).unwrap_or(u8::MAX)
    }

    /// The step with which the destination answers.
    pub(super) fn answer(&self) -> Step {
        self.hops.len().checked_sub(1).map_or(Step::Finish, Step::ResponseStart)
    }
}

/// What was planned at `instant`, if what was planned at `by` happens now.
pub(super) fn shifted(instant: Timestamp, by: Timestamp, now: Timestamp) -> Timestamp {
    instant.plus(now.since(by)).minus(by.since(now))
}

/// Nanoseconds after the source sent: for each proxy when the request arrives and goes onward, then
/// when it reaches the application.
fn offsets(latency: Latency, route: Route) -> (Vec<(u64, u64)>, u64) {
    let Latency { loopback_us, proxy_us, wire_us } = latency;
    let [loopback, proxy, wire] = [loopback_us, proxy_us, wire_us].map(|us| u64::from(us) * 1_000);
    let (mut hops, mut at) = (Vec::with_capacity(2), 0);
    if route.source_proxied {
        at += loopback;
        hops.push((at, at + proxy));
        at += proxy;
    }
    at += wire;
    if route.destination_proxied {
        hops.push((at, at + proxy));
        at += proxy + loopback;
    }
    (hops, at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::time::Duration;

    use super::super::link::Linker;
    use super::super::link::samples::{exchange, mesh};
    use super::super::shard::Shard;
    use super::*;
    use crate::collect::Direction;

    fn plan(exchanges: Vec<Exchange>) -> Vec<Passage> {
        let mesh = mesh();
        let mut linker = Linker::new(Mesh::Topology(&mesh), Shard::WHOLE, Duration::from_secs(5));
        exchanges.into_iter().for_each(|exchange| linker.push(exchange));
        linker.end();
        let mut planner = Planner::new(Mesh::Topology(&mesh));
        std::iter::from_fn(|| linker.pop()).map(|linked| planner.passage(linked)).collect()
    }

    fn us(instant: Timestamp) -> f64 {
        instant.as_unix_nanos() as f64 / 1e3 - 1e9
    }

    #[test]
    fn a_long_exchange_gets_the_whole_latencies() {
        let plan = plan(vec![exchange("1", None, ["a", "b"], 0, [5, 900, 1_000])]);
        let passage = &plan[0];
        let at = |hop: &Hop| {
            [hop.arrives, hop.forwards, hop.request_end, hop.response_start, hop.response_end].map(us)
        };
        assert_eq!(at(&passage.hops[0]), [10.0, 110.0, 115.0, 890.0, 990.0], "loopback, then the proxy");
        assert_eq!(at(&passage.hops[1]), [160.0, 260.0, 265.0, 740.0, 840.0], "and the wire");
        assert_eq!([passage.arrived, passage.answered].map(us), [270.0, 730.0]);
        assert_eq!([passage.sent, passage.finished].map(us), [0.0, 1_000.0]);
    }

    #[test]
    fn a_short_exchange_gets_half_of_its_time() {
        let plan = plan(vec![exchange("1", None, ["a", "b"], 0, [0, 100, 100])]);
        let passage = &plan[0];
        assert_eq!([passage.arrived, passage.answered].map(us), [50.0, 50.0]);
    }

    #[test]
    fn a_request_arrives_before_the_calls_that_it_causes() {
        let outer = exchange("1", None, ["a", "b"], 0, [0, 1_000, 1_000]);
        let inner = exchange("2", Some("1"), ["b", "c"], 40, [0, 930, 930]);
        let plan = plan(vec![outer, inner]);
        let passage = &plan[0];
        assert_eq!(
            [passage.arrived, passage.answered].map(us),
            [36.0, 973.0],
            "nine tenths of the 40 and of the 30"
        );
        let outbound = ProxyId { workload: "b".to_owned(), direction: Direction::Outbound };
        assert_eq!(*plan[1].proxies[0], outbound);
        assert_eq!(plan[1].hops.len(), 1, "c has no proxy");
    }

    proptest! {
        #[test]
        fn whatever_was_recorded_causes_come_before_effects(
            timing in proptest::array::uniform3(0_u64..3_000),
            inner in proptest::array::uniform3(0_u64..3_000),
            at in 0_i64..3_000,
            callee in prop::sample::select(vec!["a", "b", "c"]),
        ) {
            let [mut timing, mut inner] = [timing, inner];
            timing.sort_unstable();
            inner.sort_unstable();
            let outer = exchange("1", None, ["a", "b"], 0, timing);
            let inner = exchange("2", Some("1"), ["b", callee], at, inner);
            let plan = plan(vec![outer, inner]);
            for passage in &plan {
                let mut nested: Vec<_> = passage.hops.iter().map(|hop| (hop.arrives, hop.response_end)).collect();
                nested.insert(0, (passage.sent, passage.finished));
                nested.push((passage.arrived, passage.answered));
                for pair in nested.windows(2) {
                    prop_assert!(pair[0].0 <= pair[1].0 && pair[1].1 <= pair[0].1, "{nested:?}");
                }
                for hop in &passage.hops {
                    let order = [hop.arrives, hop.forwards, hop.request_end, hop.response_start, hop.response_end];
                    prop_assert!(order.is_sorted(), "{hop:?}");
                }
            }
            prop_assert!(plan[0].arrived <= plan[1].sent);
        }
    }
}
