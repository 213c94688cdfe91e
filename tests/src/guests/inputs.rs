//! What came to a guest in Envoy, in order: from both sides, from those that it called, and the end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::log::{Line, events};
use super::{Event, Side, Transcripts};

/// What came.
#[derive(Clone, Debug)]
pub enum Input {
    /// From the client or from the upstream.
    Part(Event),
    /// Something that it had asked for.
    Answer,
    /// The stream's end, whole or not.
    End,
}

/// What Envoy says of a stream in its access log, as an embedder says it to a guest.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// `request.protocol`.
    pub protocol: String,
    /// `response.code`; 0 where there is none.
    pub code: i64,
    /// `response.flags`.
    pub flags: i64,
    /// `response.code_details`; empty where there are none.
    pub details: String,
    /// `upstream.transport_failure_reason`.
    pub transport: String,
    /// `upstream.request_attempt_count`.
    pub attempts: u64,
    /// An upstream was chosen.
    pub has_upstream: bool,
    /// It was connected to.
    pub has_connected: bool,
    /// It has begun to answer.
    pub has_answered: bool,
    /// It has answered to the end.
    pub is_complete: bool,
}

/// Envoy's short names of flags, by their bits.
const FLAGS: [&str; 29] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC", "URX",
    "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR",
];

impl Transcripts {
    /// What came to a guest, by exchange.
    pub fn inputs(&self, program: &str) -> BTreeMap<usize, Vec<Input>> {
        let mut placed: BTreeMap<usize, BTreeMap<usize, Input>> = BTreeMap::new();
        for (watcher, side) in [("before", Side::Request), ("after", Side::Response)] {
            for (number, lines) in self.placed(&format!("{watcher}.{program}")) {
                if side == Side::Request {
                    let ends = lines.iter().filter(|(_, line)| line == "> log");
                    placed.entry(number).or_default().extend(ends.map(|(place, _)| (*place, Input::End)));
                }
                let parts = events(&lines).into_iter().filter(|(_, event)| event.side == side);
                let parts = parts.map(|(place, event)| (place, Input::Part(event)));
                placed.entry(number).or_default().extend(parts);
            }
        }
        for (number, lines) in self.placed(program) {
            let other = |(place, line): &Line| match line.strip_prefix("> ") {
                Some(call) if call.starts_with("http_call") || call.starts_with("grpc ") => {
                    Some((*place, Input::Answer))
                }
                _ => None,
            };
            placed.entry(number).or_default().extend(lines.iter().filter_map(other));
        }
        placed.into_iter().map(|(number, inputs)| (number, inputs.into_values().collect())).collect()
    }
}

impl Outcome {
    /// The streams of an access log, by exchange.
    pub(super) fn read(log: &str) -> BTreeMap<usize, Vec<Outcome>> {
        let mut outcomes: BTreeMap<usize, Vec<Outcome>> = BTreeMap::new();
        for line in log.lines() {
            let Ok(Value::Object(fields)) = serde_json::from_str(line) else { continue };
            let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
            let Ok(number) = text("exchange").parse() else { continue };
            let is_set = |name: &str| !fields[name].is_null();
            let flags = text("flags");
            let bit = |flag: &str| FLAGS.iter().position(|known| *known == flag).map_or(0, |bit| 1 << bit);
            outcomes.entry(number).or_default().push(Outcome {
                protocol: text("protocol"),
                code: fields["code"].as_i64().unwrap_or_default(),
                flags: flags.split(',').map(bit).sum(),
                details: text("details"),
                transport: text("transport").replace('_', " "),
                attempts: fields["attempts"].as_u64().unwrap_or_default(),
                has_upstream: is_set("upstream"),
                has_connected: is_set("local"),
                has_answered: is_set("answered"),
                is_complete: is_set("complete"),
            });
        }
        outcomes
    }
}
