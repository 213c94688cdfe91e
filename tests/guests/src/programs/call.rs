//! Pauses in one phase, asks a cluster and goes on from the answer.

use crate::exports::called;
use crate::host::{self, CALL_BODY, CALL_HEADERS, CALL_TRAILERS, REQUEST_HEADERS, RESPONSE_HEADERS};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got, number, pairs, tell};

#[derive(Default)]
pub(crate) struct Call {
    exchange: usize,
    response: bool,
    asked: bool,
}

impl Call {
    /// Asks once, in the phase that the exchange's number says.
    ///
    /// Where something may still come, the answer does so after it.
    fn ask(&mut self, phase: usize, response: bool, end: bool) -> Action {
        if self.exchange % 6 != phase || self.asked {
            return Action::Continue;
        }
        (self.asked, self.response) = (true, response);
        let path = match (self.exchange.is_multiple_of(2), end) {
            (true, true) => "/status/200",
            (true, false) => "/status/200/later",
            (false, true) => "/status/503",
            (false, false) => "/status/503/later",
        };
        // Nothing listens where `refused` points.
        let cluster = if end && self.exchange % 4 == 3 { "refused" } else { "oracle" };
        let headers = [
            (":method", "POST"),
            (":path", path),
            (":authority", "oracle.test"),
            ("x-call", "1"),
            ("X-Call", "2"),
        ];
        let call = host::http_call(cluster, &headers, b"question", &[("x-tail", "t")], 1000);
        match call {
            Ok(token) => called(token),
            Err(status) => {
                tell(&format!("call → {status}"));
                return Action::Continue;
            }
        }
        Action::Pause
    }
}

impl Program for Call {
    fn request_headers(&mut self, end: bool) -> Action {
        self.exchange = exchange();
        self.ask(self.exchange % 6 % 2, false, end)
    }

    fn request_body(&mut self, _size: usize, end: bool) -> Action {
        self.ask(2, false, end)
    }

    fn request_trailers(&mut self) -> Action {
        self.ask(3, false, true)
    }

    fn response_headers(&mut self, end: bool) -> Action {
        self.ask(4, true, end)
    }

    fn response_body(&mut self, _size: usize, end: bool) -> Action {
        self.ask(5, true, end)
    }

    fn answered(&mut self, size: usize) {
        number("size", host::map_size(CALL_HEADERS)).ok();
        got("status of the answer", host::value(CALL_HEADERS, ":status")).ok();
        got("get", host::value(CALL_HEADERS, "x-oracle")).ok();
        done("add", host::add(CALL_HEADERS, "x", "y")).ok();
        pairs("trailers", host::pairs(CALL_TRAILERS));
        got("body", host::buffer(CALL_BODY, 0, size)).ok();
        done("set body", host::set_buffer(CALL_BODY, 0, 0, b"x")).ok();
        if let Ok((code, text)) = host::status() {
            tell(&format!("get_status → 0 {code} {}", text.escape_ascii()));
        }
        let map = if self.response { RESPONSE_HEADERS } else { REQUEST_HEADERS };
        done("add answer", host::add(map, "x-answer", size.to_string())).ok();
        let stream = if self.response { host::RESPONSE } else { host::REQUEST };
        done("continue", host::continue_stream(stream)).ok();
        done("add too late", host::add(map, "x-late", "1")).ok();
    }
}
