//! Adds, replaces and removes headers in each phase, and reads what came of it.

use crate::host::{self, REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got, number, pairs};

/// Names that Envoy keeps at most once, and some that it does not.
const KNOWN: [&str; 17] = [
    "accept",
    "user-agent",
    "cookie",
    "x-request-id",
    "via",
    "x-forwarded-for",
    "authorization",
    "cache-control",
    "tracestate",
    "referer",
    "location",
    "server",
    "etag",
    "set-cookie",
    "grpc-message",
    "content-type",
    "x-one",
];

#[derive(Default)]
pub(crate) struct Headers {
    exchange: usize,
}

impl Headers {
    fn change(&self, map: u32) -> Action {
        number("size", host::map_size(map)).ok();
        for name in
            ["x-one", "X-One", "x-twice", "x-empty", "x-absent", "accept", "content-type", "set-cookie"]
        {
            got(&format!("get {name}"), host::value(map, name)).ok();
        }
        match self.exchange % 5 {
            0 => {
                done("add new", host::add(map, "x-new", "1")).ok();
                done("add again", host::add(map, "X-New", "2")).ok();
                done("add empty", host::add(map, "x-added-empty", "")).ok();
                done("add bytes", host::add(map, "x-bytes", b"\xff caf\xc3\xa9")).ok();
                done("add to several", host::add(map, "x-twice", "third")).ok();
                for name in KNOWN {
                    done(&format!("add {name}"), host::add(map, name, "added")).ok();
                }
            }
            1 => {
                done("replace one", host::replace(map, "x-one", "replaced")).ok();
                done("replace several", host::replace(map, "x-twice", "only")).ok();
                done("replace none", host::replace(map, "X-Replaced-New", "new")).ok();
                done("replace by empty", host::replace(map, "x-long", "")).ok();
                done("replace known", host::replace(map, "Accept", "application/json")).ok();
            }
            2 => {
                done("remove one", host::remove(map, "X-ONE")).ok();
                done("remove several", host::remove(map, "x-twice")).ok();
                done("remove none", host::remove(map, "x-absent")).ok();
                done("remove known", host::remove(map, "accept")).ok();
            }
            3 => {
                done("remove", host::remove(map, "x-one")).ok();
                done("add after remove", host::add(map, "x-one", "back")).ok();
                done("empty name", host::add(map, "", "nameless")).ok();
                done("get empty name", host::value(map, "")).ok();
                done("replace empty name", host::replace(map, "", "nameless")).ok();
                done("remove empty name", host::remove(map, "")).ok();
            }
            _ => self.pseudo(map),
        }
        number("size", host::map_size(map)).ok();
        pairs("all", host::pairs(map));
        Action::Continue
    }

    fn pseudo(&self, map: u32) {
        for name in [":path", ":method", ":authority", ":scheme", ":status", "host"] {
            got(&format!("get {name}"), host::value(map, name)).ok();
        }
        if map == REQUEST_HEADERS {
            done("replace path", host::replace(map, ":path", "/replaced?by=guest")).ok();
            done("replace authority", host::replace(map, ":authority", "replaced.test")).ok();
            done("add path", host::add(map, ":path", "/added")).ok();
            got("get path", host::value(map, ":path")).ok();
        }
        if map == RESPONSE_HEADERS {
            done("replace status", host::replace(map, ":status", "418")).ok();
        }
    }
}

impl Program for Headers {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        self.change(REQUEST_HEADERS)
    }

    fn request_body(&mut self, _size: usize, _end: bool) -> Action {
        got("get in body", host::value(REQUEST_HEADERS, "x-exchange")).ok();
        done("add in body", host::add(REQUEST_HEADERS, "x-late", "1")).ok();
        done("replace in body", host::replace(REQUEST_HEADERS, "x-late", "1")).ok();
        done("remove in body", host::remove(REQUEST_HEADERS, "x-late")).ok();
        Action::Continue
    }

    fn request_trailers(&mut self) -> Action {
        self.change(REQUEST_TRAILERS)
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        got("get request in response", host::value(REQUEST_HEADERS, "x-exchange")).ok();
        self.change(RESPONSE_HEADERS)
    }

    fn response_body(&mut self, _size: usize, _end: bool) -> Action {
        got("get in body", host::value(RESPONSE_HEADERS, ":status")).ok();
        done("add in body", host::add(RESPONSE_HEADERS, "x-late", "1")).ok();
        Action::Continue
    }

    fn response_trailers(&mut self) -> Action {
        got("get in trailers", host::value(RESPONSE_HEADERS, ":status")).ok();
        self.change(RESPONSE_TRAILERS)
    }

    fn log(&mut self) {
        for map in [REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_HEADERS, RESPONSE_TRAILERS] {
            number(&format!("size of {map}"), host::map_size(map)).ok();
            pairs(&format!("all of {map}"), host::pairs(map));
            got(&format!("get of {map}"), host::value(map, "x-one")).ok();
            done(&format!("add to {map}"), host::add(map, "x-logged", "1")).ok();
        }
    }
}
