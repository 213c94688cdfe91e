//! Holds bodies back until they are whole, and rewrites them.

use crate::host::{self, REQUEST_BODY, REQUEST_HEADERS, RESPONSE_BODY, RESPONSE_HEADERS};
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got};

#[derive(Default)]
pub(crate) struct Buffer {
    exchange: usize,
    held: usize,
}

impl Buffer {
    fn head(&mut self, map: u32) -> Action {
        self.held = 0;
        done("no length", host::remove(map, "content-length")).ok();
        Action::Continue
    }

    fn body(&mut self, buffer: u32, size: usize, end: bool) -> Action {
        let mode = self.exchange % 6;
        self.held += 1;
        got("get", host::buffer(buffer, 0, size)).ok();
        match (mode, end) {
            // Only every second chunk goes on.
            (1, false) if self.held.is_multiple_of(2) => return Action::Continue,
            // What is held back changes already.
            (2, false) => {
                done("append", host::set_buffer(buffer, size, 0, b"+")).ok();
            }
            // Lets go what it holds, from within the callback.
            (4, false) if self.held == 1 => {
                let stream = if buffer == REQUEST_BODY { host::REQUEST } else { host::RESPONSE };
                done("continue", host::continue_stream(stream)).ok();
            }
            (3, false) => {
                done("drop", host::set_buffer(buffer, 0, size, b"")).ok();
            }
            _ => {}
        }
        if !end {
            return Action::Pause;
        }
        if mode != 5 {
            let whole = host::buffer(buffer, 0, size).unwrap_or_default();
            done("rewrite", host::set_buffer(buffer, 0, size, &whole.to_ascii_uppercase())).ok();
            done("append", host::set_buffer(buffer, whole.len(), 0, b"[whole]")).ok();
        }
        Action::Continue
    }
}

impl Program for Buffer {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        self.head(REQUEST_HEADERS)
    }

    fn request_body(&mut self, size: usize, end: bool) -> Action {
        self.body(REQUEST_BODY, size, end)
    }

    fn request_trailers(&mut self) -> Action {
        got("held at trailers", host::buffer(REQUEST_BODY, 0, 1 << 20)).ok();
        Action::Continue
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        self.head(RESPONSE_HEADERS)
    }

    fn response_body(&mut self, size: usize, end: bool) -> Action {
        self.body(RESPONSE_BODY, size, end)
    }

    fn response_trailers(&mut self) -> Action {
        got("held at trailers", host::buffer(RESPONSE_BODY, 0, 1 << 20)).ok();
        Action::Continue
    }
}
