//! What is known of an exchange's outcome, in every callback; changes nothing.

use crate::host;
use crate::program::{Action, Program};
use crate::transcript::{got, tell};

/// What every run of an exchange says alike.
const CONSTANT: [&str; 9] = [
    "request.path",
    "response.code",
    "response.code_details",
    "response.flags",
    "response.grpc_status",
    "connection.termination_details",
    "connection.transport_failure_reason",
    "upstream.transport_failure_reason",
    "upstream.request_attempt_count",
];

/// What is another time or place in each: only whether it is there is told.
const VARYING: [&str; 5] = [
    "request.duration",
    "response.backend_latency",
    "upstream.address",
    "upstream.local_address",
    "upstream.port",
];

pub(crate) struct Endings;

fn read() -> Action {
    for path in CONSTANT {
        got(path, host::property(path)).ok();
    }
    for path in VARYING {
        match host::property(path) {
            Ok(_) => tell(&format!("{path} → 0")),
            Err(status) => tell(&format!("{path} → {status}")),
        }
    }
    Action::Continue
}

impl Program for Endings {
    fn request_headers(&mut self, _end: bool) -> Action {
        read()
    }

    fn request_body(&mut self, _size: usize, _end: bool) -> Action {
        read()
    }

    fn request_trailers(&mut self) -> Action {
        read()
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        read()
    }

    fn response_body(&mut self, _size: usize, _end: bool) -> Action {
        read()
    }

    fn response_trailers(&mut self) -> Action {
        read()
    }

    fn log(&mut self) {
        read();
    }
}
