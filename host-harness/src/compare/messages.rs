//! Requests and responses at the same proxy, compared by header, body and trailer.

use std::collections::{HashMap, VecDeque};

use super::changes::{Change, Changes, Values};
use super::mask;
use crate::counted::counted;
use crate::flow::Side;
use crate::host::HeaderMap;
use crate::replay::Passed;
use crate::traffic::Redactor;

/// The most messages that wait for their like in the other replay; beyond, the oldest are given up.
const MAX_WAITING: usize = 1 << 16;

/// Exchange, proxy and side.
type Place = (String, String, Side);

/// A message as it is compared.
pub(super) struct SeenMessage {
    place: Place,
    parts: Parts,
}

struct Parts {
    headers: Values,
    body: Values,
    trailers: Values,
}

/// Differences between the messages of one side.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) headers: Changes,
    pub(super) bodies: Changes,
    pub(super) trailers: Changes,
}

/// Differences as they are told.
pub(super) struct Rows {
    pub(super) headers: Vec<Change>,
    pub(super) bodies: Vec<Change>,
    pub(super) trailers: Vec<Change>,
}

/// Differences between messages.
#[derive(Default)]
pub(super) struct MessageDiff {
    pub(super) requests: Differences,
    pub(super) responses: Differences,
    waiting: [Waiting; 2],
    given_up: [u64; 2],
}

/// What one replay has had and the other has not, yet, and in which order it came.
#[derive(Default)]
struct Waiting {
    parts: HashMap<Place, Parts>,
    order: VecDeque<Place>,
}

impl Differences {
    pub(super) fn into_rows(self) -> Rows {
        Rows {
            headers: self.headers.into_rows(),
            bodies: self.bodies.into_rows(),
            trailers: self.trailers.into_rows(),
        }
    }
}

impl SeenMessage {
    pub(super) fn new(message: &Passed) -> Self {
        let given = mask::ids(&message.given);
        let end = if message.is_whole { "whole" } else { "broken off" };
        let body = [
            ("content", format!("digest {:016x}", message.body.digest())),
            ("end", end.to_owned()),
            ("size", counted(message.body.bytes(), "byte")),
        ];
        let parts = Parts {
            headers: values(&message.head, &given),
            body: body.map(|(name, value)| (name.to_owned(), value)).into(),
            trailers: values(&message.trailers, &given),
        };
        Self { place: (message.exchange.clone(), message.proxy.clone(), message.side), parts }
    }
}

fn values(map: &HeaderMap, given: &str) -> Values {
    let mut values = Values::new();
    for (name, value) in map.iter() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = mask::masked(&name, value, Some(given));
        let all = values.entry(name).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&value);
    }
    values
}

impl MessageDiff {
    /// Compares what came of a round with what came before, or waits: a filter may hold what another does not.
    pub(super) fn compare(
        &mut self,
        baseline: Vec<SeenMessage>,
        current: Vec<SeenMessage>,
        redactor: &Redactor,
    ) {
        for message in baseline {
            match self.take(1, &message.place) {
                Some(now) => self.compare_two(&message.place, &message.parts, &now, redactor),
                None => self.wait(0, message),
            }
        }
        for message in current {
            match self.take(0, &message.place) {
                Some(before) => self.compare_two(&message.place, &before, &message.parts, redactor),
                None => self.wait(1, message),
            }
        }
    }

    /// Messages that only the baseline has, and that only the other has, as far as is known.
    pub(super) fn unpaired(&self) -> [u64; 2] {
        let [baseline, current] = &self.waiting;
        let [before, after] = self.given_up;
        let count = |waiting: &Waiting| u64::try_from(waiting.parts.len()).unwrap_or(u64::MAX);
        [before + count(baseline), after + count(current)]
    }

    /// `side` is 0 in the baseline and 1 in the other.
    fn take(&mut self, side: usize, place: &Place) -> Option<Parts> {
        self.waiting.get_mut(side)?.parts.remove(place)
    }

    fn wait(&mut self, side: usize, SeenMessage { place, parts }: SeenMessage) {
        let places = self.waiting.get_mut(side).zip(self.given_up.get_mut(side));
        let Some((Waiting { parts: waiting, order }, given_up)) = places else { return };
        order.push_back(place.clone());
        waiting.insert(place, parts);
        while order.front().is_some_and(|oldest| waiting.len() > MAX_WAITING || !waiting.contains_key(oldest))
        {
            let oldest = order.pop_front();
            *given_up += u64::from(oldest.and_then(|oldest| waiting.remove(&oldest)).is_some());
        }
    }

    fn compare_two(&mut self, place: &Place, before: &Parts, now: &Parts, redactor: &Redactor) {
        let (exchange, proxy, side) = place;
        let differences = match side {
            Side::Request => &mut self.requests,
            Side::Response => &mut self.responses,
        };
        let at = || format!("exchange {exchange}, {proxy}");
        let shown = |name: &str, value: &str| redactor.shown(name, value);
        differences.headers.compare(at, &before.headers, &now.headers, shown);
        differences.trailers.compare(at, &before.trailers, &now.trailers, shown);
        differences.bodies.compare(at, &before.body, &now.body, |_, value| value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Measured;

    fn head(exchange: &str, left: &[(&str, &str)]) -> SeenMessage {
        seen(exchange, left, &[], true)
    }

    fn seen(exchange: &str, left: &[(&str, &str)], trailers: &[(&str, &str)], is_whole: bool) -> SeenMessage {
        SeenMessage::new(&Passed {
            exchange: exchange.to_owned(),
            proxy: "web inbound".to_owned(),
            side: Side::Request,
            given: HeaderMap::new(),
            head: HeaderMap::from_pairs(left.iter().copied()),
            body: Measured::default(),
            trailers: HeaderMap::from_pairs(trailers.iter().copied()),
            is_whole,
        })
    }

    #[test]
    fn secrets_are_compared_but_not_shown_and_messages_of_one_run_counted() {
        let mut diff = MessageDiff::default();
        let baseline = vec![
            head("1", &[("cookie", "a"), (":path", "/?sig=x&a=1"), ("via", "1"), ("via", "2")]),
            head("2", &[]),
            head("3", &[]),
        ];
        let current =
            vec![head("4", &[]), head("1", &[("cookie", "b"), (":path", "/?sig=x&a=2"), ("via", "1")])];
        diff.compare(baseline, current, &Redactor::default());
        assert_eq!(diff.unpaired(), [2, 1]);
        let shown = |text: &str| Some(text.to_owned());
        let rows = diff.requests.headers.into_rows();
        let rows: Vec<_> = rows.into_iter().map(|row| (row.example.baseline, row.example.current)).collect();
        assert_eq!(
            rows,
            [
                (shown("/?sig=REDACTED&a=1"), shown("/?sig=REDACTED&a=2")),
                (shown("REDACTED"), shown("REDACTED")),
                (shown("1, 2"), shown("1")),
            ]
        );
    }

    #[test]
    fn a_message_that_was_held_finds_its_like_in_a_later_round() {
        let mut diff = MessageDiff::default();
        let redactor = Redactor::default();
        diff.compare(vec![seen("1", &[], &[("t", "1")], true)], Vec::new(), &redactor);
        assert_eq!(diff.unpaired(), [1, 0]);
        diff.compare(Vec::new(), vec![seen("1", &[], &[("t", "2")], false)], &redactor);
        assert_eq!(diff.unpaired(), [0, 0]);
        let names =
            |changes: Changes| changes.into_rows().into_iter().map(|row| row.name).collect::<Vec<_>>();
        assert_eq!(names(diff.requests.trailers), ["t"]);
        assert_eq!(names(diff.requests.bodies), ["end"]);
        assert_eq!(names(diff.requests.headers), [] as [&str; 0]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut diff = MessageDiff::default();
        for exchange in 0..=MAX_WAITING {
            let (headers, body, trailers) = (Values::new(), Values::new(), Values::new());
            let place = (exchange.to_string(), String::new(), Side::Request);
            diff.wait(1, SeenMessage { place, parts: Parts { headers, body, trailers } });
        }
        assert_eq!(diff.waiting[1].parts.len(), MAX_WAITING);
        assert_eq!((diff.given_up, diff.unpaired()), ([0, 1], [0, MAX_WAITING as u64 + 1]));
        assert!(!diff.waiting[1].parts.contains_key(&("0".to_owned(), String::new(), Side::Request)));
    }
}
