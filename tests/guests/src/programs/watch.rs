//! Tells what passes, to the byte, and changes nothing: placed before and after a filter it shows what that did.

use crate::host;
use crate::program::{Action, Program};
use crate::transcript::{hex, tell};

pub(crate) struct Watch;

fn map(event: &str, map: u32) -> Action {
    let pairs = host::pairs(map).unwrap_or_default();
    let pairs = pairs.iter().map(|(name, value)| format!(" {}={}", hex(name), hex(value)));
    tell(&format!("{event}{}", pairs.collect::<String>()));
    Action::Continue
}

fn data(event: &str, buffer: u32, size: usize) -> Action {
    tell(&format!("{event} {}", hex(&host::buffer(buffer, 0, size).unwrap_or_default())));
    Action::Continue
}

impl Program for Watch {
    fn request_headers(&mut self, _end: bool) -> Action {
        map("request_head", host::REQUEST_HEADERS)
    }

    fn request_body(&mut self, size: usize, _end: bool) -> Action {
        data("request_data", host::REQUEST_BODY, size)
    }

    fn request_trailers(&mut self) -> Action {
        map("request_tail", host::REQUEST_TRAILERS)
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        map("response_head", host::RESPONSE_HEADERS)
    }

    fn response_body(&mut self, size: usize, _end: bool) -> Action {
        data("response_data", host::RESPONSE_BODY, size)
    }

    fn response_trailers(&mut self) -> Action {
        map("response_tail", host::RESPONSE_TRAILERS)
    }
}
