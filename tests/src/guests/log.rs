//! The guests' transcripts, read back from a log: `PLUGIN: CONTEXT TEXT` a line.

use std::collections::BTreeMap;

use meshspan::flow::{Part, Side};
use meshspan::host::HeaderMap;

use super::Event;
use crate::situation::Seen;

/// One exchange's pass through a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// What went in from the client and came out to it.
    pub before: Vec<Event>,
    /// What the guest told of itself.
    pub guest: Vec<String>,
    /// What came out to the upstream and went in from it.
    pub after: Vec<Event>,
    /// What the client got in the end.
    pub client: Answer,
}

/// A status and a whole body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// None where there was no response.
    pub status: Option<Vec<u8>>,
    /// Empty where there was none.
    pub body: Vec<u8>,
}

/// A line and its place among all lines.
pub(super) type Line = (usize, String);

/// Every line that a plugin told, by its contexts in order.
#[derive(Clone, Debug, Default)]
pub struct Transcripts {
    by_context: BTreeMap<(String, u32), Vec<Line>>,
    count: usize,
}

impl Answer {
    /// What a client saw.
    pub fn of(seen: &Seen) -> Answer {
        Answer { status: seen.status().map(|status| status.to_string().into_bytes()), body: seen.body() }
    }
}

impl Transcripts {
    /// Takes a plugin's line; what is no transcript is left out.
    pub fn line(&mut self, plugin: &str, message: &str) {
        let Some((context, text)) = message.split_once(' ') else { return };
        let Ok(context) = context.parse() else { return };
        self.count += 1;
        self.by_context.entry((plugin.to_owned(), context)).or_default().push((self.count, text.to_owned()));
    }

    /// A plugin's transcripts by exchange. The line that names the exchange is not in them.
    pub fn of(&self, plugin: &str) -> BTreeMap<usize, Vec<String>> {
        let lines = |lines: Vec<Line>| lines.into_iter().map(|(_, line)| line).collect();
        self.placed(plugin).into_iter().map(|(number, placed)| (number, lines(placed))).collect()
    }

    /// The same with each line's place among those of all plugins.
    pub(super) fn placed(&self, plugin: &str) -> BTreeMap<usize, Vec<Line>> {
        let lines = self.by_context.iter().filter(|((name, _), _)| name == plugin);
        let transcript = |lines: &Vec<Line>| {
            let place = lines.iter().position(|(_, line)| line.starts_with("exchange "))?;
            let mut lines = lines.clone();
            let number = lines.remove(place).1.strip_prefix("exchange ")?.parse().ok()?;
            Some((number, lines))
        };
        let mut by_exchange: BTreeMap<usize, Vec<Line>> = BTreeMap::new();
        // A request that the proxy redirects itself comes again, in a context of its own.
        for (number, lines) in lines.filter_map(|(_, lines)| transcript(lines)) {
            by_exchange.entry(number).or_default().extend(lines);
        }
        by_exchange
    }

    /// Whether every stream of every plugin has come to its end.
    pub fn is_complete(&self) -> bool {
        self.by_context.values().all(|lines| {
            lines.first().is_none_or(|(_, first)| first != "> create")
                || lines.iter().any(|(_, line)| line == "> delete")
        })
    }

    /// A guest's passes by exchange.
    pub fn passes(&self, program: &str) -> BTreeMap<usize, Pass> {
        let [before, after] = ["before", "after"].map(|place| self.placed(&format!("{place}.{program}")));
        let parts = |lines: &[Line]| events(lines).into_iter().map(|(_, event)| event).collect();
        let mut passes: BTreeMap<usize, Pass> = BTreeMap::new();
        for (number, guest) in self.of(program) {
            passes.entry(number).or_default().guest = guest;
        }
        for (number, lines) in before {
            passes.entry(number).or_default().before = parts(&lines);
        }
        for (number, lines) in after {
            passes.entry(number).or_default().after = parts(&lines);
        }
        passes
    }
}

/// What a watching guest saw pass, and where in the log.
pub(super) fn events(lines: &[Line]) -> Vec<(usize, Event)> {
    let mut events = Vec::new();
    let mut end = false;
    for (place, line) in lines {
        if let Some(callback) = line.strip_prefix("> ") {
            end = callback.ends_with(" end");
            continue;
        }
        let Some((name, rest)) = line.split_once(['_', ' ']) else { continue };
        let side = match name {
            "request" => Side::Request,
            "response" => Side::Response,
            _ => continue,
        };
        let (kind, bytes) = rest.split_once(' ').unwrap_or((rest, ""));
        let part = match kind {
            "head" => Part::Head(map(bytes)),
            "data" => Part::Data(unhex(bytes)),
            "tail" => Part::Trailers(map(bytes)),
            _ => continue,
        };
        let end = end || matches!(part, Part::Trailers(_));
        events.push((*place, Event { side, part, end }));
    }
    events
}

fn map(text: &str) -> HeaderMap {
    let pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
    HeaderMap::from_pairs(pairs.map(|(name, value)| (unhex(name), unhex(value))))
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.chars().filter_map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
