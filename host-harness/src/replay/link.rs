//! Which exchange was made for which, and how much time each leaves for the mesh. Pure.
//!
//! `{"id":"2","parent":"1",…}` → exchange 1 of the recording has parent 0

use std::collections::HashMap;
use std::time::Duration;

use super::ReplayError;
use crate::time::Timestamp;
use crate::topology::Topology;
use crate::traffic::{Exchange, TrafficError};

/// The exchanges with the indices of their parents.
pub(super) struct Linked {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) parents: Vec<Option<usize>>,
    by_id: HashMap<String, usize>,
}

impl Linked {
    /// Reads a recording to its end.
    pub(super) fn read(
        topology: &Topology,
        exchanges: impl IntoIterator<Item = Result<Exchange, TrafficError>>,
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
    pub(super) fn rooms(&self) -> Vec<Room> {
        let mut rooms: Vec<Room> = self.exchanges.iter().map(Room::of).collect();
        for (exchange, parent) in self.exchanges.iter().zip(&self.parents) {
            let parent = parent.and_then(|index| Some((rooms.get_mut(index)?, self.exchanges.get(index)?)));
            let Some((room, parent)) = parent else { continue };
            let start = sent(exchange).since(sent(parent));
            let end = finished(exchange).since(sent(parent));
            let whole = finished(parent).since(sent(parent));
            room.there = room.there.min(most_of(start));
            // A call that outlives the one that it was made for sets no bound to its answer.
            if end <= whole {
                room.back = room.back.min(most_of(whole - end));
            }
        }
        rooms
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
            let error = Linked::read(&mesh(), [first(), second].map(Ok)).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
