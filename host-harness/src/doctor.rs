//! Why are there no spans? Walks the way of a span, from the request's header to the page that shows it,
//! and stops at the first break. Pure: what was seen is handed in as [`Evidence`].
//!
//! `exported 0, 12 connections failed` → header ✓ sampled ✓ started ✓ queued ✓ sent ✓ accepted ✗ nothing
//! answers at the cluster

mod cases;
mod counters;
mod evidence;
mod formats;
mod metrics;
mod text;

pub use counters::Counters;
pub use evidence::{Cluster, Evidence, Seen, Visible};
pub use formats::Formats;
pub use metrics::Metrics;
pub use text::text;

use serde::Serialize;

use cases::CASES;

/// A station on a span's way, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The request carries a trace context that can be read.
    Header,
    /// Somebody decided to sample it.
    Sampled,
    /// The filter started spans, and they end.
    Started,
    /// The spans find room in the filter's queue.
    Queued,
    /// The filter sends them.
    Sent,
    /// The collector takes them.
    Accepted,
    /// They can be looked at, in whole traces.
    Visible,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Self; 7] =
        [Self::Header, Self::Sampled, Self::Started, Self::Queued, Self::Sent, Self::Accepted, Self::Visible];

    /// In lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Sampled => "sampled",
            Self::Started => "started",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Visible => "visible",
        }
    }
}

/// How a station was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Spans pass.
    Whole,
    /// Spans end here.
    Broken,
    /// Nothing was handed in that tells.
    Unknown,
}

/// A station, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// How.
    pub state: State,
    /// What was seen, one sentence.
    pub seen: String,
    /// What to change, if it is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// The stations up to the first break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// Counts up when a reader of older output would stumble.
    pub schema_version: u32,
    /// In the order of the way; after a broken one there is none.
    pub steps: Vec<Step>,
    /// What breaks nothing, and should be known.
    pub notes: Vec<String>,
}

impl Diagnosis {
    /// What `evidence` says of each station.
    pub fn of(evidence: &Evidence) -> Self {
        let mut steps = Vec::new();
        for stage in Stage::ALL {
            let step = step(stage, evidence);
            let is_broken = step.state == State::Broken;
            steps.push(step);
            if is_broken {
                break;
            }
        }
        Self { schema_version: 1, steps, notes: evidence.notes() }
    }

    /// Where spans end, if anywhere.
    pub fn first_break(&self) -> Option<&Step> {
        self.steps.last().filter(|step| step.state == State::Broken)
    }
}

fn step(stage: Stage, evidence: &Evidence) -> Step {
    let found = CASES
        .iter()
        .filter(|case| case.stage == stage)
        .find_map(|case| (case.found)(evidence).map(|seen| (seen, case.advice)));
    let (state, seen, advice) = match (found, evidence.seen(stage)) {
        (Some((seen, advice)), _) => (State::Broken, seen, Some(advice.to_owned())),
        (None, Some(seen)) => (State::Whole, seen, None),
        (None, None) => (State::Unknown, stage.how_to_know().to_owned(), None),
    };
    Step { stage, state, seen, advice }
}

impl Stage {
    /// What would have to be handed in.
    const fn how_to_know(self) -> &'static str {
        match self {
            Self::Visible => "not looked at: --traces URL asks a viewer, --store FILE a store",
            _ => "not looked at: --proxy URL asks a running proxy, FILE replays a recording",
        }
    }
}

#[cfg(test)]
mod tests;
