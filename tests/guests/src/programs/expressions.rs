//! Evaluates CEL expressions, those that a request names in hexadecimal digits, in every callback that has a head.

use crate::host::{self, REQUEST_HEADERS};
use crate::program::{Action, Program};
use crate::transcript::{done, hex, tell};

#[derive(Default)]
pub(crate) struct Expressions {
    /// The token of each, or why there is none.
    asked: Vec<host::Result<Vec<u8>>>,
}

impl Expressions {
    fn evaluate(&self, callback: &str) {
        for (place, token) in self.asked.iter().enumerate() {
            let Ok(token) = token else { continue };
            match host::foreign("expr_evaluate", token) {
                Ok(value) => tell(&format!("{callback} {place} → 0 {}", hex(&value))),
                Err(status) => tell(&format!("{callback} {place} → {status}")),
            }
        }
    }
}

impl Program for Expressions {
    fn request_headers(&mut self, _end: bool) -> Action {
        let asked = host::value(REQUEST_HEADERS, "x-expressions").unwrap_or_default();
        host::set_property("own", b"mine").ok();
        for digits in String::from_utf8_lossy(&asked).split(',') {
            let byte = |place: usize| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
            let text: Vec<u8> = (0..digits.len()).step_by(2).filter_map(byte).collect();
            let token = host::foreign("expr_create", &text);
            if let Err(status) = &token {
                tell(&format!("create {} → {status}", self.asked.len()));
            }
            self.asked.push(token);
        }
        self.evaluate("request");
        Action::Continue
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        self.evaluate("response");
        Action::Continue
    }

    fn log(&mut self) {
        self.evaluate("log");
        for token in self.asked.iter().flatten() {
            host::foreign("expr_delete", token).ok();
        }
        if let Some(token) = self.asked.iter().flatten().next() {
            done("delete again", host::foreign("expr_delete", token)).ok();
            done("evaluate again", host::foreign("expr_evaluate", token)).ok();
        }
    }
}
