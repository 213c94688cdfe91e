//! A recording, entry by entry, in the order of its starts: which exchange was made for which, and how
//! much time each leaves for the mesh. Pure, and in bounded memory.
//!
//! What is read waits in a window until nothing earlier can come; then it is linked to its parent, and
//! handed out when the calls made for it are known, or lie beyond the window.
//! `{"id":"2","parent":"1",…}` → exchange 1 has parent 0

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::mesh::Mesh;
use super::shard::{self, Shard};
use super::skip::{self, Skipped, Unusable};
use crate::collect::Direction;
use crate::time::Timestamp;
use crate::traffic::Exchange;

/// The most bytes of exchanges that wait, whatever time they span.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// An exchange whose parent and whose calls are known.
pub(super) struct Linked {
    pub(super) exchange: Exchange,
    /// Its place in the recording's order, among all shards'.
    pub(super) number: u64,
    /// What its trace is assigned by.
    pub(super) key: u64,
    pub(super) parent: Option<Parent>,
    pub(super) room: Room,
    bytes: usize,
}

/// The exchange in whose handling another was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) number: u64,
    /// The destination's own proxy saw it.
    pub(super) was_seen: bool,
}

/// Puts a recording in order.
pub(super) struct Linker<'a> {
    mesh: Mesh<'a>,
    shard: Shard,
    window: Duration,
    /// Read, and not in order yet.
    early: BinaryHeap<Reverse<Early>>,
    /// Linked, and some of their calls may be still to come: in the order of their starts.
    open: VecDeque<Linked>,
    /// Who can be a parent still.
    known: HashMap<String, Known>,
    forgetting: BinaryHeap<Reverse<(Timestamp, String)>>,
    read: u64,
    linked: u64,
    newest: Timestamp,
    /// Nothing that starts before this comes any more.
    released: Timestamp,
    has_ended: bool,
    waiting_bytes: usize,
    pub(super) skipped: BTreeMap<String, Skipped>,
}

struct Known {
    number: u64,
    key: u64,
    destination: String,
    was_seen: bool,
}

/// In the order of the starts; of those that start together the longest first, as it may be the parent,
/// and once more last if its parent was not there yet.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Early {
    sent: Timestamp,
    again: bool,
    longest: Reverse<Timestamp>,
    read: u64,
    waiting: Waiting,
}

struct Waiting(Exchange);

impl<'a> Linker<'a> {
    /// `window` is how much earlier than the newest exchange another may start, and how long after its
    /// end one may be a parent.
    pub(super) fn new(mesh: Mesh<'a>, shard: Shard, window: Duration) -> Self {
        Self {
            mesh,
            shard,
            window,
            early: BinaryHeap::new(),
            open: VecDeque::new(),
            known: HashMap::new(),
            forgetting: BinaryHeap::new(),
            read: 0,
            linked: 0,
            newest: Timestamp::default(),
            released: Timestamp::default(),
            has_ended: false,
            waiting_bytes: 0,
            skipped: BTreeMap::new(),
        }
    }

    /// Takes the next exchange of the recording.
    pub(super) fn push(&mut self, exchange: Exchange) {
        let sent = sent(&exchange);
        if sent < self.released {
            let (late, window) = (self.released.since(sent), self.window);
            self.skip(&Unusable::OutOfOrder { id: exchange.id, late, window });
            return;
        }
        self.waiting_bytes += weight(&exchange);
        self.newest = self.newest.max(sent);
        let longest = Reverse(finished(&exchange));
        let (again, read, waiting) = (false, self.read, Waiting(exchange));
        self.early.push(Reverse(Early { sent, again, longest, read, waiting }));
        self.read += 1;
        self.advance();
    }

    /// The recording has ended: all that waits can go.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
        self.advance();
    }

    /// When the next exchange that [`pop`](Self::pop) gives starts.
    pub(super) fn next_start(&self) -> Option<Timestamp> {
        self.open.front().filter(|linked| self.is_settled(linked)).map(|linked| sent(&linked.exchange))
    }

    /// The next exchange whose calls are known.
    pub(super) fn pop(&mut self) -> Option<Linked> {
        self.next_start()?;
        let linked = self.open.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(linked.bytes);
        Some(linked)
    }

    /// Nothing that [`pop`](Self::pop) will give starts before this.
    pub(super) fn horizon(&self) -> Timestamp {
        self.open.front().map_or(self.released, |linked| sent(&linked.exchange))
    }

    fn is_settled(&self, linked: &Linked) -> bool {
        let calls_end = finished(&linked.exchange).min(sent(&linked.exchange).plus(self.window));
        self.has_ended || calls_end < self.released || self.waiting_bytes > MAX_WAITING_BYTES
    }

    /// Links what nothing earlier can come before.
    fn advance(&mut self) {
        while let Some(Reverse(next)) = self.early.peek() {
            let is_due = next.sent.plus(self.window) < self.newest;
            if !is_due && !self.has_ended && self.waiting_bytes <= MAX_WAITING_BYTES {
                return;
            }
            let Some(Reverse(next)) = self.early.pop() else { return };
            self.released = next.sent;
            self.forget();
            let has_company = self.early.peek().is_some_and(|Reverse(other)| other.sent == next.sent);
            if has_company && !next.again && self.lacks_parent(&next.waiting.0) {
                self.early.push(Reverse(Early { again: true, ..next }));
            } else {
                self.link(next.waiting.0);
            }
        }
    }

    fn lacks_parent(&self, exchange: &Exchange) -> bool {
        exchange.parent.as_ref().is_some_and(|parent| !self.known.contains_key(parent))
    }

    fn link(&mut self, exchange: Exchange) {
        let bytes = weight(&exchange);
        let found =
            self.mesh.check(&exchange).map_err(Unusable::from).and_then(|()| self.parent_of(&exchange));
        let (parent, key) = match found {
            Ok(found) => found,
            Err(unusable) => {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
                self.skip(&unusable);
                return;
            }
        };
        let number = self.linked;
        self.linked += 1;
        self.remember(&exchange, number, key);
        if !self.shard.has(key) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
            return;
        }
        if let Some(parent) = parent {
            self.narrow(parent.number, &exchange);
        }
        let room = Room::of(&exchange);
        self.open.push_back(Linked { exchange, number, key, parent, room, bytes });
    }

    /// The parent, and by what the trace is assigned.
    fn parent_of(&self, exchange: &Exchange) -> Result<(Option<Parent>, u64), Unusable> {
        if self.known.contains_key(&exchange.id) {
            return Err(Unusable::DuplicateId { id: exchange.id.clone() });
        }
        let Some(name) = &exchange.parent else { return Ok((None, shard::key(exchange))) };
        let Some(known) = self.known.get(name) else {
            let (id, parent) = (exchange.id.clone(), name.clone());
            return Err(Unusable::UnknownParent { id, parent, window: self.window });
        };
        if !self.mesh.has_applications() {
            return Ok((None, known.key));
        }
        if known.destination != exchange.source {
            return Err(Unusable::StrangeParent {
                id: exchange.id.clone(),
                source_service: exchange.source.clone(),
                parent: name.clone(),
                destination: known.destination.clone(),
            });
        }
        Ok((Some(Parent { number: known.number, was_seen: known.was_seen }), known.key))
    }

    fn remember(&mut self, exchange: &Exchange, number: u64, key: u64) {
        let finished = finished(exchange);
        let last = self.mesh.proxies(exchange).pop();
        let known = Known {
            number,
            key,
            destination: exchange.destination.clone(),
            was_seen: last.is_some_and(|proxy| proxy.direction == Direction::Inbound),
        };
        self.known.insert(exchange.id.clone(), known);
        self.forgetting.push(Reverse((finished.plus(self.window), exchange.id.clone())));
    }

    fn forget(&mut self) {
        while self.forgetting.peek().is_some_and(|Reverse((at, _))| *at < self.released) {
            let Some(Reverse((_, id))) = self.forgetting.pop() else { return };
            self.known.remove(&id);
        }
    }

    /// A call bounds the time that its parent's messages may spend in the mesh.
    fn narrow(&mut self, parent: u64, call: &Exchange) {
        let place = self.open.binary_search_by_key(&parent, |linked| linked.number);
        let Some(parent) = place.ok().and_then(|place| self.open.get_mut(place)) else { return };
        let start = sent(call).since(sent(&parent.exchange));
        let end = finished(call).since(sent(&parent.exchange));
        let whole = finished(&parent.exchange).since(sent(&parent.exchange));
        parent.room.there = parent.room.there.min(most_of(start));
        // A call that outlives the one that it was made for sets no bound to its answer.
        if end <= whole {
            parent.room.back = parent.room.back.min(most_of(whole - end));
        }
    }

    fn skip(&mut self, unusable: &Unusable) {
        skip::count(&mut self.skipped, unusable);
    }
}

impl PartialEq for Waiting {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    /// What waits has no part in the order.
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// The most nanoseconds that the request, and that the response, may spend between the applications.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) there: u64,
    pub(super) back: u64,
}

impl Room {
    fn of(exchange: &Exchange) -> Self {
        let half = exchange.timing_us.response_start.saturating_mul(1_000) / 2;
        Self { there: half, back: half }
    }
}

/// When the source sent the first byte.
pub(super) fn sent(exchange: &Exchange) -> Timestamp {
    Timestamp::from_unix_nanos(u64::try_from(exchange.start.as_nanosecond()).unwrap_or_default())
}

/// When the source had the last byte of the response.
pub(super) fn finished(exchange: &Exchange) -> Timestamp {
    sent(exchange).plus(Duration::from_micros(exchange.timing_us.response_end))
}

/// About how much memory an exchange takes, in bytes.
fn weight(exchange: &Exchange) -> usize {
    let Exchange { request, response, .. } = exchange;
    let lists = [&request.headers, &request.trailers, &response.headers, &response.trailers];
    let headers = lists.into_iter().flatten().map(|(name, value)| 64 + name.len() + value.as_bytes().len());
    let bodies = [&request.body, &response.body].into_iter().flatten().flatten();
    let bodies = bodies.map(|chunk| 48 + chunk.data.len());
    let texts = [&exchange.id, &exchange.source, &exchange.destination, &request.path, &request.authority];
    let texts = texts.into_iter().map(String::len);
    size_of::<Exchange>() + headers.sum::<usize>() + bodies.sum::<usize>() + texts.sum::<usize>()
}

fn most_of(duration: Duration) -> u64 {
    nanos(duration) / 10 * 9
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Small meshes and exchanges for tests.
#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::topology::Topology;

    const MESH: &str = r#"{"version":1,"name":"m","latency":{"loopback_us":10,"proxy_us":100,"wire_us":50},
      "services":{"a":{"meshed":true,"address":"10.0.0.1:80","application":{"kind":"drops"}},
                  "b":{"meshed":true,"address":"10.0.0.2:80","application":{"kind":"drops"}},
                  "c":{"meshed":false,"address":"10.0.0.3:80","application":{"kind":"drops"}}}}"#;

    pub(in crate::replay) fn mesh() -> Topology {
        Topology::from_json(MESH.as_bytes()).unwrap()
    }

    /// A call that begins `at` microseconds after a fixed instant, and its timings.
    pub(in crate::replay) fn exchange(
        id: &str,
        parent: Option<&str>,
        between: [&str; 2],
        at: i64,
        timing: [u64; 3],
    ) -> Exchange {
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
}

#[cfg(test)]
mod tests {
    use super::samples::{exchange, mesh};
    use super::*;

    const WINDOW: Duration = Duration::from_secs(5);

    /// The ids that come out, in their order, and why others did not.
    fn link(shard: Shard, exchanges: impl IntoIterator<Item = Exchange>) -> (Vec<String>, Vec<String>) {
        let mesh = mesh();
        let mut linker = Linker::new(Mesh::Topology(&mesh), shard, WINDOW);
        exchanges.into_iter().for_each(|exchange| linker.push(exchange));
        linker.end();
        let out = std::iter::from_fn(|| linker.pop()).map(|linked| linked.exchange.id).collect();
        (out, linker.skipped.into_values().map(|skipped| skipped.example).collect())
    }

    #[test]
    fn what_does_not_fit_is_left_out_with_its_place_and_its_reason() {
        let first = || exchange("1", None, ["a", "b"], 0, [0, 9, 9]);
        let rows = [
            (exchange("1", None, ["a", "b"], 0, [0, 9, 9]), "another exchange has the same id"),
            (exchange("2", Some("3"), ["b", "c"], 0, [0, 9, 9]), "parent is \"3\", expected the id of"),
            (
                exchange("2", Some("1"), ["a", "b"], 0, [0, 9, 9]),
                "source is \"a\", but its parent \"1\" was handled by \"b\"",
            ),
            (exchange("2", Some("1"), ["b", "c"], -1, [0, 9, 9]), "an exchange that starts no later"),
            (exchange("2", Some("1"), ["b", "c"], 5_000_010, [0, 9, 9]), "no more than 5s before"),
            (
                exchange("2", None, ["a", "x"], 0, [0, 9, 9]),
                "destination: service \"x\" is not in the topology, which has a, b, c",
            ),
        ];
        for (second, expected) in rows {
            let (out, why) = link(Shard::WHOLE, [first(), second]);
            assert_eq!(out, ["1"], "{expected}");
            assert!(why.len() == 1 && why[0].contains(expected), "{why:?} lacks {expected}");
        }
        let (out, why) =
            link(Shard::WHOLE, [first(), exchange("2", Some("1"), ["b", "c"], 5_000_009, [0, 9, 9])]);
        assert_eq!((out.len(), why), (2, Vec::new()), "a parent is known for the window after its end");
    }

    #[test]
    fn within_the_window_the_order_is_that_of_the_starts() {
        let root = |id, at| exchange(id, None, ["a", "b"], at, [0, 9, 9]);
        let call = exchange("call", Some("root"), ["b", "c"], 0, [0, 1, 1]);
        let rows = [
            (vec![root("late", 5_000_000), root("early", 0)], vec!["early", "late"], "within"),
            (vec![call, root("root", 0)], vec!["root", "call"], "written when they ended"),
            (vec![root("1", 0), root("2", 5_000_001), root("3", -1)], vec!["1", "2"], "beyond"),
        ];
        for (exchanges, expected, reason) in rows {
            let given = exchanges.len();
            let (out, why) = link(Shard::WHOLE, exchanges);
            assert_eq!(out, expected, "{reason}");
            assert_eq!(why.len(), given - out.len(), "{reason}: {why:?}");
        }
    }

    #[test]
    fn what_is_handed_out_does_not_wait_for_the_end() {
        let mesh = mesh();
        let mut linker = Linker::new(Mesh::Topology(&mesh), Shard::WHOLE, WINDOW);
        for at in 0..100 {
            linker.push(exchange(&at.to_string(), None, ["a", "b"], at * 1_000_000, [0, 9, 9]));
            let horizon = linker.horizon();
            while let Some(linked) = linker.pop() {
                assert!(sent(&linked.exchange) >= horizon, "nothing earlier comes");
            }
            assert!(linker.open.len() + linker.early.len() <= 8, "{} s", at);
            assert!(linker.known.len() <= 8);
        }
    }

    #[test]
    fn the_calls_of_a_trace_are_in_its_shard() {
        let exchanges = || {
            (0..40).flat_map(|number| {
                let (root, call) = (format!("r{number}"), format!("c{number}"));
                let parent = root.clone();
                [
                    exchange(&root, None, ["a", "b"], number * 100, [0, 50, 50]),
                    exchange(&call, Some(&parent), ["b", "c"], number * 100 + 10, [0, 9, 9]),
                ]
            })
        };
        let (mut first, why) = link("0/2".parse().unwrap(), exchanges());
        let (second, _) = link("1/2".parse().unwrap(), exchanges());
        assert_eq!(why, Vec::<String>::new());
        for shard in [&first, &second] {
            assert!(shard.iter().all(|id| shard.contains(&id.replace('r', "c"))), "{shard:?}");
            assert!(shard.len() > 10, "{shard:?}");
        }
        first.extend(second);
        first.sort();
        let mut whole = link(Shard::WHOLE, exchanges()).0;
        whole.sort();
        assert_eq!(first, whole);
    }
}
