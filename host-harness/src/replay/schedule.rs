//! When each exchange is where: recorded instants and the mesh's latencies → a [`Plan`]. Pure.
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
//! in half of the time that it has.

use std::collections::{BTreeMap, HashMap};

use super::ReplayError;
use crate::collect::Direction;
use crate::time::Timestamp;
use crate::topology::{Latency, Route, Topology};
use crate::traffic::Exchange;

/// A sidecar's listener: workload and direction. Each is a VM of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProxyId {
    pub(super) workload: String,
    pub(super) direction: Direction,
}

/// All exchanges of a replay, in the recording's order, and the proxies that they pass.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) passages: Vec<Passage>,
    pub(super) proxies: Vec<ProxyId>,
}

/// One exchange with its way through the mesh.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) exchange: Exchange,
    /// The index of the exchange in whose handling this one was made.
    pub(super) parent: Option<usize>,
    /// When the source sent, and when it had the whole response.
    pub(super) sent: Timestamp,
    pub(super) finished: Timestamp,
    /// The caller's proxy, then the callee's, as far as they are passed.
    pub(super) hops: Vec<Hop>,
    /// When the destination got the request, and when it had answered.
    pub(super) arrived: Timestamp,
    pub(super) answered: Timestamp,
}

/// One pass through a proxy. Each instant is not before the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Index into [`Plan::proxies`].
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Send,
    Request(usize),
    Arrive,
    RequestEnd(usize),
    ResponseStart(usize),
    ResponseEnd(usize),
    Finish,
}

impl Plan {
    /// Links the exchanges and lays them out in time.
    pub(super) fn new(
        topology: &Topology,
        exchanges: impl IntoIterator<Item = Result<Exchange, crate::traffic::TrafficError>>,
    ) -> Result<Self, ReplayError> {
        let linked = Linked::read(topology, exchanges)?;
        let mut proxies = BTreeMap::new();
        for exchange in &linked.exchanges {
            for id in proxies_of(topology, exchange) {
                proxies.insert(id, 0);
            }
        }
        for (index, place) in proxies.values_mut().enumerate() {
            *place = index;
        }
        let rooms = linked.rooms();
        let Linked { exchanges, parents, .. } = linked;
        let passages = exchanges
            .into_iter()
            .zip(parents)
            .zip(rooms)
            .map(|((exchange, parent), room)| passage(topology, &proxies, exchange, parent, room))
            .collect();
        Ok(Self { passages, proxies: proxies.into_keys().collect() })
    }

    /// Whether the destination's own proxy sees this exchange.
    pub(super) fn is_proxied_inbound(&self, index: usize) -> bool {
        let last = self.passages.get(index).and_then(|passage| passage.hops.last());
        let proxy = last.and_then(|hop| self.proxies.get(hop.proxy));
        proxy.is_some_and(|proxy| proxy.direction == Direction::Inbound)
    }

    /// When the first exchange begins.
    pub(super) fn start(&self) -> Timestamp {
        self.passages.iter().map(|passage| passage.sent).min().unwrap_or_default()
    }
}

impl Passage {
    /// Every step with its instant; steps at the same instant happen in this order.
    pub(super) fn steps(&self) -> Vec<(Timestamp, Step)> {
        let mut steps = vec![(self.sent, Step::Send)];
        steps.extend(self.hops.iter().enumerate().map(|(index, hop)| (hop.forwards, Step::Request(index))));
        steps.push((self.arrived, Step::Arrive));
        steps.extend(
            self.hops.iter().enumerate().map(|(index, hop)| (hop.request_end, Step::RequestEnd(index))),
        );
        for (index, hop) in self.hops.iter().enumerate().rev() {
            steps.push((hop.response_start, Step::ResponseStart(index)));
        }
        for (index, hop) in self.hops.iter().enumerate().rev() {
            steps.push((hop.response_end, Step::ResponseEnd(index)));
        }
        steps.push((self.finished, Step::Finish));
        steps
    }
}

/// The exchanges with the indices of their parents.
struct Linked {
    exchanges: Vec<Exchange>,
    parents: Vec<Option<usize>>,
    by_id: HashMap<String, usize>,
}

impl Linked {
    fn read(
        topology: &Topology,
        exchanges: impl IntoIterator<Item = Result<Exchange, crate::traffic::TrafficError>>,
    ) -> Result<Self, ReplayError> {
        let mut linked = Self { exchanges: Vec::new(), parents: Vec::new(), by_id: HashMap::new() };
        for exchange in exchanges {
            let exchange = exchange?;
            topology.service(&exchange.source, || format!("exchange {:?}: source", exchange.id))?;
            topology.service(&exchange.destination, || format!("exchange {:?}: destination", exchange.id))?;
            let parent = linked.parent_of(&exchange)?;
            if linked.by_id.insert(exchange.id.clone(), linked.exchanges.len()).is_some() {
                return Err(ReplayError::DuplicateId { id: exchange.id });
            }
            linked.exchanges.push(exchange);
            linked.parents.push(parent);
        }
        Ok(linked)
    }

    fn parent_of(&self, exchange: &Exchange) -> Result<Option<usize>, ReplayError> {
        let Some(name) = &exchange.parent else { return Ok(None) };
        let found = self.by_id.get(name).and_then(|index| Some((*index, self.exchanges.get(*index)?)));
        let Some((index, parent)) = found else {
            return Err(ReplayError::UnknownParent { id: exchange.id.clone(), parent: name.clone() });
        };
        if parent.destination != exchange.source {
            return Err(ReplayError::StrangeParent {
                id: exchange.id.clone(),
                source_service: exchange.source.clone(),
                parent: name.clone(),
                destination: parent.destination.clone(),
            });
        }
        if exchange.start < parent.start {
            return Err(ReplayError::BeforeParent { id: exchange.id.clone(), parent: name.clone() });
        }
        Ok(Some(index))
    }

    /// For each exchange, how much time there is for latencies on each way.
    fn rooms(&self) -> Vec<Room> {
        let mut rooms: Vec<Room> = self.exchanges.iter().map(Room::of).collect();
        for (exchange, parent) in self.exchanges.iter().zip(&self.parents) {
            let parent = parent.and_then(|index| Some((rooms.get_mut(index)?, self.exchanges.get(index)?)));
            let Some((room, parent)) = parent else { continue };
            let start = sent(exchange).since(sent(parent));
            let end = finished(exchange).since(sent(parent));
            let whole = finished(parent).since(sent(parent));
            room.there = room.there.min(nanos(start) / 2);
            // A call that outlives the one that it was made for sets no bound to its answer.
            if end <= whole {
                room.back = room.back.min(nanos(whole - end) / 2);
            }
        }
        rooms
    }
}

/// The most nanoseconds that the request, and that the response, may spend between the applications.
#[derive(Clone, Copy, Debug)]
struct Room {
    there: u64,
    back: u64,
}

impl Room {
    fn of(exchange: &Exchange) -> Self {
        let half = exchange.timing_us.response_start.saturating_mul(1_000) / 2;
        Self { there: half, back: half }
    }
}

fn proxies_of(topology: &Topology, exchange: &Exchange) -> Vec<ProxyId> {
    let Route { source_proxied, destination_proxied } =
        topology.route(&exchange.source, &exchange.destination);
    let outbound = || ProxyId { workload: exchange.source.clone(), direction: Direction::Outbound };
    let inbound = || ProxyId { workload: exchange.destination.clone(), direction: Direction::Inbound };
    source_proxied.then(outbound).into_iter().chain(destination_proxied.then(inbound)).collect()
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

fn passage(
    topology: &Topology,
    proxies: &BTreeMap<ProxyId, usize>,
    exchange: Exchange,
    parent: Option<usize>,
    room: Room,
) -> Passage {
    let route = topology.route(&exchange.source, &exchange.destination);
    let (ways, total) = offsets(topology.latency, route);
    let shrink = |offset: u64, room: u64| {
        let shrunk = u128::from(offset) * u128::from(room.min(total)) / u128::from(total.max(1));
        u64::try_from(shrunk).unwrap_or(room)
    };
    let start = sent(&exchange).as_unix_nanos();
    let after = |offset: u64| Timestamp::from_unix_nanos(start.saturating_add(offset));
    let response_start = exchange.timing_us.response_start.saturating_mul(1_000);
    let response_end = exchange.timing_us.response_end.saturating_mul(1_000);
    let body_time = exchange.timing_us.request_end.saturating_mul(1_000);
    let passed = proxies_of(topology, &exchange);
    let hops = passed.iter().zip(ways).filter_map(|(id, (arrives, forwards))| {
        let (arrives_back, forwards) = (shrink(arrives, room.back), shrink(forwards, room.there));
        let head = response_start.saturating_sub(arrives_back);
        Some(Hop {
            proxy: *proxies.get(id)?,
            arrives: after(shrink(arrives, room.there)),
            forwards: after(forwards),
            request_end: after(forwards.saturating_add(body_time).min(head)),
            response_start: after(head),
            response_end: after(response_end.saturating_sub(arrives_back)),
        })
    });
    Passage {
        parent,
        sent: sent(&exchange),
        finished: finished(&exchange),
        hops: hops.collect(),
        arrived: after(shrink(total, room.there)),
        answered: after(response_end.saturating_sub(shrink(total, room.back))),
        exchange,
    }
}

fn sent(exchange: &Exchange) -> Timestamp {
    Timestamp::from_unix_nanos(u64::try_from(exchange.start.as_nanosecond()).unwrap_or_default())
}

fn finished(exchange: &Exchange) -> Timestamp {
    sent(exchange).plus(std::time::Duration::from_micros(exchange.timing_us.response_end))
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESH: &str = r#"{"version":1,"name":"m","latency":{"loopback_us":10,"proxy_us":100,"wire_us":50},
      "services":{"a":{"meshed":true,"address":"10.0.0.1:80","application":{"kind":"drops"}},
                  "b":{"meshed":true,"address":"10.0.0.2:80","application":{"kind":"drops"}},
                  "c":{"meshed":false,"address":"10.0.0.3:80","application":{"kind":"drops"}}}}"#;

    fn mesh() -> Topology {
        Topology::from_json(MESH.as_bytes()).unwrap()
    }

    /// A call that begins `at` microseconds after a fixed instant, and its timings.
    fn exchange(id: &str, parent: Option<&str>, between: [&str; 2], at: i64, timing: [u64; 3]) -> Exchange {
        let [request_end, response_start, response_end] = timing;
        let json = serde_json::json!({
            "id": id, "parent": parent, "source": between[0], "destination": between[1],
            "start": jiff::Timestamp::from_microsecond(1_000_000_000 + at).unwrap(),
            "request": {"method": "GET", "scheme": "http", "authority": between[1], "path": "/"},
            "response": {"status": 200},
            "timing_us": {"request_end": request_end, "response_start": response_start, "response_end": response_end},
        });
        serde_json::from_value(json).unwrap()
    }

    fn plan(exchanges: Vec<Exchange>) -> Result<Plan, ReplayError> {
        Plan::new(&mesh(), exchanges.into_iter().map(Ok))
    }

    fn us(instant: Timestamp) -> f64 {
        instant.as_unix_nanos() as f64 / 1e3 - 1e9
    }

    #[test]
    fn a_long_exchange_gets_the_whole_latencies() {
        let plan = plan(vec![exchange("1", None, ["a", "b"], 0, [5, 900, 1_000])]).unwrap();
        let passage = &plan.passages[0];
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
        let plan = plan(vec![exchange("1", None, ["a", "b"], 0, [0, 100, 100])]).unwrap();
        let passage = &plan.passages[0];
        assert_eq!([passage.arrived, passage.answered].map(us), [50.0, 50.0]);
    }

    #[test]
    fn a_request_arrives_before_the_calls_that_it_causes() {
        let outer = exchange("1", None, ["a", "b"], 0, [0, 1_000, 1_000]);
        let inner = exchange("2", Some("1"), ["b", "c"], 40, [0, 930, 930]);
        let plan = plan(vec![outer, inner]).unwrap();
        let passage = &plan.passages[0];
        assert_eq!(
            [passage.arrived, passage.answered].map(us),
            [20.0, 985.0],
            "half of the 40 and of the 30"
        );
        let hop = plan.passages[1].hops[0];
        assert_eq!(
            plan.proxies[hop.proxy],
            ProxyId { workload: "b".to_owned(), direction: Direction::Outbound }
        );
        assert_eq!(plan.passages[1].hops.len(), 1, "c has no proxy");
    }

    #[test]
    fn a_recording_that_does_not_fit_is_refused_with_its_place() {
        let first = || exchange("1", None, ["a", "b"], 0, [0, 9, 9]);
        let rows = [
            (exchange("1", None, ["a", "b"], 0, [0, 9, 9]), "an earlier exchange has the same id"),
            (exchange("2", Some("3"), ["b", "c"], 0, [0, 9, 9]), "parent is \"3\", expected the id of"),
            (
                exchange("2", Some("1"), ["a", "b"], 0, [0, 9, 9]),
                "source is \"a\", but its parent \"1\" was handled by \"b\"",
            ),
            (exchange("2", Some("1"), ["b", "c"], -1, [0, 9, 9]), "starts before its parent \"1\""),
            (
                exchange("2", None, ["a", "x"], 0, [0, 9, 9]),
                "destination: service \"x\" is not in the topology, which has a, b, c",
            ),
        ];
        for (second, expected) in rows {
            let error = plan(vec![first(), second]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
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
            let plan = plan(vec![outer, inner]).unwrap();
            for passage in &plan.passages {
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
            prop_assert!(plan.passages[0].arrived <= plan.passages[1].sent);
        }
    }
}
