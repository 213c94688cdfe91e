//! Calls the foreign function that a request names, with the argument that it gives.

use crate::host::{self, REQUEST_HEADERS};
use crate::program::{Action, Program};
use crate::transcript::{hex, tell};

pub(crate) struct Foreign;

impl Program for Foreign {
    fn request_headers(&mut self, _end: bool) -> Action {
        let header = |name: &str| host::value(REQUEST_HEADERS, name).unwrap_or_default();
        let name = String::from_utf8_lossy(&header("x-function")).into_owned();
        let digits = String::from_utf8_lossy(&header("x-argument")).into_owned();
        let byte = |place: usize| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
        let argument: Vec<u8> = (0..digits.len()).step_by(2).filter_map(byte).collect();
        match host::foreign(&name, &argument) {
            Ok(result) => tell(&format!("{name} → 0 {}", hex(&result))),
            Err(status) => tell(&format!("{name} → {status}")),
        }
        Action::Continue
    }
}
