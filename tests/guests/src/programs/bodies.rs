//! Changes bodies chunk by chunk without holding any back.

use crate::host::{self, REQUEST_BODY, REQUEST_HEADERS, RESPONSE_BODY, RESPONSE_HEADERS};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got, tell};

#[derive(Default)]
pub(crate) struct Bodies {
    exchange: usize,
}

impl Bodies {
    fn change(&self, buffer: u32, size: usize, end: bool) -> Action {
        match host::buffer_status(buffer) {
            Ok((length, flags)) => tell(&format!("status → 0 {length} {flags}")),
            Err(status) => tell(&format!("status → {status}")),
        }
        got("get", host::buffer(buffer, 0, size)).ok();
        match self.exchange % 9 {
            0 => done("append", host::set_buffer(buffer, size, 0, b"[behind]")).ok(),
            1 => done("prepend", host::set_buffer(buffer, 0, 0, b"[before]")).ok(),
            2 => done("replace", host::set_buffer(buffer, 0, size, b"[instead]")).ok(),
            3 => done("drop", host::set_buffer(buffer, 0, size, b"")).ok(),
            4 if end => {
                done("append at the end", host::set_buffer(buffer, usize::MAX >> 1, 0, b"[end]")).ok()
            }
            5 => done("replace a part", host::set_buffer(buffer, 1, 2, b"[part]")).ok(),
            6 => done("replace the start", host::set_buffer(buffer, 0, 2, b"[start]")).ok(),
            7 => {
                done("append", host::set_buffer(buffer, size, 0, b"[1]")).ok();
                done("prepend", host::set_buffer(buffer, 0, 0, b"[2]")).ok();
                done("replace too much", host::set_buffer(buffer, 0, size + 99, b"[3]")).ok()
            }
            _ => {
                for (start, most) in [(0, 3), (1, 3), (size, 1), (size + 1, 1), (0, usize::MAX >> 1), (0, 0)]
                {
                    got(&format!("get {start} {most}"), host::buffer(buffer, start, most)).ok();
                }
                None
            }
        };
        got("get", host::buffer(buffer, 0, 1 << 20)).ok();
        Action::Continue
    }
}

impl Program for Bodies {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        done("no length", host::remove(REQUEST_HEADERS, "content-length")).ok();
        got("body in head", host::buffer(REQUEST_BODY, 0, 10)).ok();
        done("set body in head", host::set_buffer(REQUEST_BODY, 0, 0, b"early")).ok();
        Action::Continue
    }

    fn request_body(&mut self, size: usize, end: bool) -> Action {
        self.change(REQUEST_BODY, size, end)
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        done("no length", host::remove(RESPONSE_HEADERS, "content-length")).ok();
        got("request body in response", host::buffer(REQUEST_BODY, 0, 10)).ok();
        Action::Continue
    }

    fn response_body(&mut self, size: usize, end: bool) -> Action {
        self.change(RESPONSE_BODY, size, end)
    }
}
