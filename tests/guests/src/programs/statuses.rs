//! Provokes every status other than OK, in every callback.

use crate::host::{self, Method, wild};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got, number, tell};

#[derive(Default)]
pub(crate) struct Statuses {
    exchange: usize,
}

impl Statuses {
    /// One family in each exchange: the log would be long.
    fn provoke(&self) -> Action {
        match self.exchange % 7 {
            0 => maps(),
            1 => buffers(),
            2 => calls(),
            3 => grpc(),
            4 => numbers(),
            5 => pointers(),
            _ => others(),
        }
        Action::Continue
    }
}

fn maps() {
    for map in (0..10).chain([99]) {
        number(&format!("size of {map}"), host::map_size(map)).ok();
        number(&format!("pairs of {map}"), host::pairs(map).map(|pairs| pairs.len() as u64)).ok();
        got(&format!("get of {map}"), host::value(map, "x-absent")).ok();
        if map > 3 {
            done(&format!("add to {map}"), host::add(map, "x", "y")).ok();
            done(&format!("replace in {map}"), host::replace(map, "x", "y")).ok();
            done(&format!("set {map}"), host::set_pairs(map, b"")).ok();
        }
        done(&format!("remove from {map}"), host::remove(map, "x-absent")).ok();
    }
}

fn buffers() {
    for buffer in (0..10).chain([99]) {
        got(&format!("get {buffer}"), host::buffer(buffer, 0, 4)).ok();
        got(&format!("get beyond {buffer}"), host::buffer(buffer, 1 << 20, 4)).ok();
        got(&format!("get overflowing {buffer}"), host::buffer(buffer, usize::MAX, 4)).ok();
        match host::buffer_status(buffer) {
            Ok((size, flags)) => tell(&format!("status of {buffer} → 0 {size} {flags}")),
            Err(status) => tell(&format!("status of {buffer} → {status}")),
        }
        done(&format!("set {buffer}"), host::set_buffer(buffer, 1, 1, b"x")).ok();
    }
}

fn calls() {
    let whole = [(":method", "GET"), (":path", "/"), (":authority", "oracle.test")];
    done("to nowhere", host::http_call("nowhere", &whole, b"", &[], 100)).ok();
    done("to an empty name", host::http_call("", &whole, b"", &[], 100)).ok();
    for left_out in 0..3 {
        let some: Vec<_> =
            whole.iter().enumerate().filter(|(place, _)| *place != left_out).map(|(_, pair)| *pair).collect();
        done(&format!("without {left_out}"), host::http_call("oracle", &some, b"", &[], 100)).ok();
    }
    done("without anything", host::http_call("oracle", &[], b"", &[], 100)).ok();
    done("negative timeout", host::http_call("oracle", &whole, b"", &[], u32::MAX)).ok();
    match host::status() {
        Ok((code, text)) => tell(&format!("get_status → 0 {code} {}", text.escape_ascii())),
        Err(status) => tell(&format!("get_status → {status}")),
    }
}

fn grpc() {
    let nowhere = Method { upstream: "nowhere", service: "s", method: "m" };
    done("call nowhere", host::grpc_call(nowhere, &[], b"", 100)).ok();
    done("stream nowhere", host::grpc_stream(nowhere, &[])).ok();
    // A GrpcService message with a cluster that is not there, and one with none; of nothing at all Envoy 1.40 aborts.
    for upstream in ["\u{a}\u{9}\u{a}\u{7}nowhere", "\u{a}\u{0}"] {
        let to = Method { upstream, ..nowhere };
        done(&format!("call {upstream:?}"), host::grpc_call(to, &[], b"", 100)).ok();
        done(&format!("stream {upstream:?}"), host::grpc_stream(to, &[])).ok();
    }
    for token in [0, 1, 2, 3, 40_001, 40_002] {
        done(&format!("send {token}"), host::grpc_send(token, b"x", false)).ok();
        done(&format!("cancel {token}"), host::grpc_cancel(token)).ok();
        done(&format!("close {token}"), host::grpc_close(token)).ok();
    }
}

fn numbers() {
    for unknown in [4, 99] {
        done(&format!("continue {unknown}"), host::continue_stream(unknown)).ok();
        done(&format!("close {unknown}"), host::close_stream(unknown)).ok();
    }
    for tcp in [2, 3] {
        done(&format!("continue {tcp}"), host::continue_stream(tcp)).ok();
    }
    for level in [0, 1, 6, 99] {
        done(&format!("log {level}"), wild::level(level)).ok();
    }
    number("level", host::log_level()).ok();
    for context in [0, 77_777, u32::MAX] {
        done(&format!("context {context}"), host::effective_context(context)).ok();
    }
    done("done", host::root_done()).ok();
}

fn pointers() {
    done("value to nowhere", wild::value_to_nowhere(0, "x-exchange")).ok();
    done("absent value to nowhere", wild::value_to_nowhere(0, "x-absent")).ok();
    done("value of an unknown map to nowhere", wild::value_to_nowhere(99, "x-absent")).ok();
    done("add from nowhere", wild::add_from_nowhere(0)).ok();
    done("buffer to nowhere", wild::buffer_to_nowhere(0)).ok();
    done("unknown buffer to nowhere", wild::buffer_to_nowhere(99)).ok();
    done("time to nowhere", wild::time_to_nowhere()).ok();
    done("log of nowhere", wild::log_of_nowhere(2)).ok();
    done("log of nowhere at a level too low", wild::log_of_nowhere(0)).ok();
    done("metric of nowhere", wild::metric_of_nowhere()).ok();
    done("property of nowhere", wild::property_of_nowhere()).ok();
}

fn others() {
    got("foreign", host::foreign("absent", b"x")).ok();
    got("foreign without a name", host::foreign("", b"")).ok();
    done("shared", host::shared("absent").map(|_| ())).ok();
    done("dequeue", host::dequeue(4321)).ok();
    done("enqueue", host::enqueue(4321, b"x")).ok();
    done("resolve", host::resolve_queue("nobody", "absent")).ok();
    done("metric", host::metric(4 * 4321)).ok();
    done("kind of metric", host::define_metric(3, "guest_unknown_kind")).ok();
    got("property", host::property("absent.entirely")).ok();
    got("empty property", host::property("")).ok();
}

impl Program for Statuses {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        self.provoke()
    }

    fn request_body(&mut self, _size: usize, end: bool) -> Action {
        if end { self.provoke() } else { Action::Continue }
    }

    fn request_trailers(&mut self) -> Action {
        self.provoke()
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        self.provoke()
    }

    fn response_body(&mut self, _size: usize, end: bool) -> Action {
        if end { self.provoke() } else { Action::Continue }
    }

    fn response_trailers(&mut self) -> Action {
        self.provoke()
    }

    fn log(&mut self) {
        self.provoke();
    }
}
