//! Trailers: changes those that come, and holds them back for a call.

use crate::exports::called;
use crate::host::{self, REQUEST_TRAILERS, RESPONSE_TRAILERS};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got, number, pairs};

#[derive(Default)]
pub(crate) struct Trailers {
    exchange: usize,
    held: Option<u32>,
}

impl Trailers {
    fn change(&mut self, map: u32) -> Action {
        number("size", host::map_size(map)).ok();
        got("get grpc-status", host::value(map, "grpc-status")).ok();
        done("add", host::add(map, "X-Trailer", "added")).ok();
        done("replace", host::replace(map, "grpc-message", "replaced")).ok();
        done("remove", host::remove(map, "x-checksum")).ok();
        pairs("all", host::pairs(map));
        if self.exchange.is_multiple_of(3) {
            let head = [(":method", "GET"), (":path", "/status/200"), (":authority", "oracle.test")];
            if let Ok(token) = done("call", host::http_call("oracle", &head, b"", &[], 1000)) {
                called(token);
                self.held = Some(map);
                return Action::Pause;
            }
        }
        Action::Continue
    }
}

impl Program for Trailers {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        done("trailers in head", host::add(REQUEST_TRAILERS, "x-early", "1")).ok();
        Action::Continue
    }

    fn request_body(&mut self, _size: usize, end: bool) -> Action {
        done("trailers in body", host::add(REQUEST_TRAILERS, "x-early", "1")).ok();
        // A body that is held back until its trailers come.
        if self.exchange % 3 == 1 && !end { Action::Pause } else { Action::Continue }
    }

    fn request_trailers(&mut self) -> Action {
        self.change(REQUEST_TRAILERS)
    }

    fn response_body(&mut self, _size: usize, end: bool) -> Action {
        if self.exchange % 3 == 1 && !end { Action::Pause } else { Action::Continue }
    }

    fn response_trailers(&mut self) -> Action {
        self.change(RESPONSE_TRAILERS)
    }

    fn answered(&mut self, _size: usize) {
        let Some(map) = self.held.take() else { return };
        done("add held", host::add(map, "x-held", "1")).ok();
        let stream = if map == REQUEST_TRAILERS { host::REQUEST } else { host::RESPONSE };
        done("continue", host::continue_stream(stream)).ok();
    }
}
