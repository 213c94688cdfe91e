//! Metrics of each kind and their rules.

use crate::host;
use crate::program::{Action, Program, Root, exchange};
use crate::transcript::{done, number};

#[derive(Default)]
pub(crate) struct Metrics;

impl Root for Metrics {
    fn stream(&mut self) -> Box<dyn Program> {
        Box::new(MetricsStream)
    }

    fn configure(&mut self) {
        number("define counter", host::define_metric(0, "guest_requests").map(|id| id % 4)).ok();
    }
}

struct MetricsStream;

impl Program for MetricsStream {
    fn request_headers(&mut self, _end: bool) -> Action {
        let exchange = exchange();
        for (kind, name) in [(0, "counter"), (1, "gauge"), (2, "histogram"), (3, "unknown"), (99, "far")] {
            let id = host::define_metric(kind, &format!("guest_{name}_{exchange}"));
            number(&format!("define {name}"), id.map(|id| id % 4)).ok();
            let Ok(id) = id else { continue };
            for offset in [3, 0, -1, i64::MIN] {
                done(&format!("{name} += {offset}"), host::increment(id, offset)).ok();
                number(name, host::metric(id)).ok();
            }
            for value in [5, 0, u64::from(u32::MAX)] {
                done(&format!("{name} := {value}"), host::record(id, value)).ok();
                number(name, host::metric(id)).ok();
            }
        }
        for unknown in [0, 1, 2, 3, 40_000, 40_001, 40_002, 40_003] {
            done(&format!("increment {unknown}"), host::increment(unknown, 1)).ok();
            done(&format!("record {unknown}"), host::record(unknown, 1)).ok();
            number(&format!("get {unknown}"), host::metric(unknown)).ok();
        }
        let again = host::define_metric(0, &format!("guest_counter_{exchange}"));
        number("defined again", again.and_then(host::metric)).ok();
        number("empty name", host::define_metric(1, "").map(|id| id % 4)).ok();
        Action::Continue
    }
}
