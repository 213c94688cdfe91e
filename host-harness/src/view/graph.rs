//! Who calls whom, over all traces: what the service graph draws.
//!
//! A span whose parent is another service's is one call from there. The calls of each trace are counted by whoever
//! keeps the traces.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Services and the calls between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Sorted by name.
    pub services: Vec<GraphService>,
    /// Sorted by caller, then by who was called.
    pub calls: Vec<Calls>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphService {
    /// `service.name`.
    pub name: String,
    /// Its spans.
    pub spans: u64,
    /// Those of them that ended with an error.
    pub errors: u64,
}

/// The calls from one service to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// How often.
    pub count: u64,
    /// How often it ended with an error.
    pub errors: u64,
    /// The mean of the durations, as the one who was called saw them.
    pub mean_ns: u64,
}

/// What a graph is made of, trace by trace.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Spans, and those that ended with an error.
    services: BTreeMap<String, (u64, u64)>,
    calls: BTreeMap<(String, String), Sum>,
}

#[derive(Clone, Debug, Default)]
struct Sum {
    count: u64,
    errors: u64,
    time: Duration,
}

impl Sums {
    /// Adds spans of a service.
    pub fn add_service(&mut self, name: &str, spans: u64, errors: u64) {
        let own = self.services.entry(name.to_owned()).or_default();
        *own = (own.0 + spans, own.1 + errors);
    }

    /// Adds calls from one service to another; `time` is the sum of their durations.
    pub fn add_calls(&mut self, (from, to): (&str, &str), count: u64, errors: u64, time: Duration) {
        let sum = self.calls.entry((from.to_owned(), to.to_owned())).or_default();
        (sum.count, sum.errors) = (sum.count + count, sum.errors + errors);
        sum.time = sum.time.saturating_add(time);
    }

    /// The graph.
    pub fn graph(self) -> Graph {
        let service = |(name, (spans, errors))| GraphService { name, spans, errors };
        Graph {
            services: self.services.into_iter().map(service).collect(),
            calls: self.calls.into_iter().map(|((from, to), sum)| sum.calls(from, to)).collect(),
        }
    }
}

impl Sum {
    fn calls(self, from: String, to: String) -> Calls {
        let mean = self.time.as_nanos().checked_div(u128::from(self.count)).unwrap_or(0);
        Calls {
            from,
            to,
            count: self.count,
            errors: self.errors,
            mean_ns: u64::try_from(mean).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_several_traces_are_added_up() {
        let mut sums = Sums::default();
        let millis = Duration::from_millis;
        for (errors, time) in [(0, millis(10)), (1, millis(50))] {
            sums.add_service("web", 3, 0);
            sums.add_service("emoji", 1, errors);
            sums.add_calls(("web", "emoji"), 1, errors, time);
        }
        let graph = sums.graph();
        let call = Calls {
            from: "web".to_owned(),
            to: "emoji".to_owned(),
            count: 2,
            errors: 1,
            mean_ns: 30_000_000,
        };
        assert_eq!(graph.calls, [call]);
        let spans: Vec<_> = graph.services.iter().map(|s| (s.name.as_str(), s.spans, s.errors)).collect();
        assert_eq!(spans, [("emoji", 2, 1), ("web", 6, 0)]);
    }
}
