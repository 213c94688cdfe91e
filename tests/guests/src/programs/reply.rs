//! Answers in the upstream's place, from each callback.

use crate::exports::called;
use crate::host::{self, RESPONSE_HEADERS, Reply};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, pairs};

#[derive(Default)]
pub(crate) struct Replies {
    exchange: usize,
    replied: bool,
}

impl Replies {
    fn reply(&mut self, phase: usize) -> Action {
        if self.exchange % 8 != phase || self.replied {
            return Action::Continue;
        }
        self.replied = true;
        let kinds = [
            Reply { status: 403, details: "denied", body: b"denied\n", grpc_status: -1, ..Reply::default() },
            Reply {
                status: 429,
                headers: &[("Retry-After", "7"), ("x-twice", "1"), ("x-twice", "2")],
                grpc_status: -1,
                ..Reply::default()
            },
            Reply {
                status: 200,
                details: "with spaces in it",
                body: b"{}",
                headers: &[("content-type", "application/json"), ("content-length", "99")],
                grpc_status: -1,
            },
            Reply { status: 503, body: b"unavailable: try later", grpc_status: 14, ..Reply::default() },
            Reply { status: 204, grpc_status: -1, ..Reply::default() },
            Reply { status: 302, headers: &[("location", "/there")], grpc_status: 0, ..Reply::default() },
        ];
        let kind = kinds[self.exchange / 8 % kinds.len()];
        done("reply", host::reply(kind)).ok();
        // A second one to a response's head is the end of Envoy 1.40: a segmentation fault.
        if phase < 3 && self.exchange % 16 > 8 {
            done("reply again", host::reply(Reply { status: 500, grpc_status: -1, ..Reply::default() })).ok();
        }
        if self.exchange.is_multiple_of(3) { Action::Pause } else { Action::Continue }
    }
}

impl Program for Replies {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        if self.exchange % 8 == 6 {
            let head = [(":method", "GET"), (":path", "/status/200/later"), (":authority", "oracle.test")];
            if let Ok(token) = done("call", host::http_call("oracle", &head, b"", &[], 1000)) {
                called(token);
                return Action::Pause;
            }
        }
        self.reply(0)
    }

    fn request_body(&mut self, _size: usize, end: bool) -> Action {
        if self.exchange % 8 == 7 {
            return if end { self.reply(7) } else { Action::Pause };
        }
        self.reply(1)
    }

    fn request_trailers(&mut self) -> Action {
        self.reply(2)
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        pairs("head", host::pairs(RESPONSE_HEADERS));
        self.reply(3)
    }

    fn response_body(&mut self, _size: usize, _end: bool) -> Action {
        self.reply(4)
    }

    fn response_trailers(&mut self) -> Action {
        self.reply(5)
    }

    fn answered(&mut self, _size: usize) {
        self.reply(6);
    }
}
