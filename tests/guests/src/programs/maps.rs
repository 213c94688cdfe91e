//! Sets whole maps, and reads maps of other phases.

use crate::host::{self, REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, number, pairs};

const HEAD: [(&str, &str); 8] = [
    (":method", "PUT"),
    (":path", "/set"),
    (":authority", "set.test"),
    (":scheme", "http"),
    // Without it Envoy finds no route.
    ("x-forwarded-proto", "http"),
    ("X-Set", "1"),
    ("x-set", "2"),
    ("x-empty", ""),
];
const ANSWER: [(&str, &str); 3] = [(":status", "202"), ("x-set", "answer"), ("X-Set", "twice")];
const TAIL: [(&str, &str); 2] = [("x-set", "tail"), ("grpc-status", "3")];

#[derive(Default)]
pub(crate) struct Maps {
    exchange: usize,
}

impl Maps {
    fn set(&self, map: u32, whole: &[(&str, &str)]) -> Action {
        let encoded = host::encode(whole);
        for other in 0..9 {
            number(&format!("size of {other}"), host::map_size(other)).ok();
            if other != map {
                pairs(&format!("all of {other}"), host::pairs(other));
            }
        }
        match self.exchange % 6 {
            0 => done("set", host::set_pairs(map, &encoded)).ok(),
            1 => {
                done("set with trailing bytes", host::set_pairs(map, &[&encoded[..], b"more"].concat())).ok()
            }
            2 => done("set torn", host::set_pairs(map, &encoded[..encoded.len() - 3])).ok(),
            3 => done("set of one byte", host::set_pairs(map, b"\x01")).ok(),
            4 if map != REQUEST_HEADERS && map != RESPONSE_HEADERS => {
                done("set of nothing", host::set_pairs(map, b"")).ok()
            }
            _ => None,
        };
        for wrong in [6, 8, 99] {
            done(&format!("set {wrong}"), host::set_pairs(wrong, &encoded)).ok();
        }
        number("size", host::map_size(map)).ok();
        pairs("all", host::pairs(map));
        // What cannot be sent on would end the exchange.
        if matches!(self.exchange % 6, 1..=3) && matches!(map, REQUEST_HEADERS | RESPONSE_HEADERS) {
            done("set again", host::set_pairs(map, &encoded)).ok();
        }
        if map == REQUEST_HEADERS {
            done("number", host::replace(map, "x-exchange", self.exchange.to_string())).ok();
        }
        Action::Continue
    }
}

impl Program for Maps {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        self.set(REQUEST_HEADERS, &HEAD)
    }

    fn request_trailers(&mut self) -> Action {
        self.set(REQUEST_TRAILERS, &TAIL)
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        self.set(RESPONSE_HEADERS, &ANSWER)
    }

    fn response_trailers(&mut self) -> Action {
        self.set(RESPONSE_TRAILERS, &TAIL)
    }
}
