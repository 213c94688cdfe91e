//! gRPC calls and streams to the cluster `oracle`, while the request's head waits.

use crate::exports::called;
use crate::host::{self, GRPC_MESSAGE, Method, REQUEST_HEADERS};
use crate::program::{Action, GrpcEvent, Program, exchange};
use crate::transcript::{done, got, pairs, tell};

#[derive(Default)]
pub(crate) struct Grpc {
    exchange: usize,
}

impl Program for Grpc {
    fn request_headers(&mut self, end: bool) -> Action {
        self.exchange = exchange();
        // The oracle succeeds, fails in its trailers, and fails in its head.
        let now = ["Echo", "Vote", "Refuse"][self.exchange % 3];
        let method = if end { now.to_owned() } else { format!("{now}Later") };
        let method = method.as_str();
        let to = Method { upstream: "oracle", service: "guests.Oracle", method };
        let result = match self.exchange % 4 {
            0 | 1 => host::grpc_call(to, &[("x-call", "1")], b"message", 1000),
            2 => host::grpc_stream(to, &[("x-call", "1")]),
            _ => {
                let nowhere = Method { upstream: "nowhere", ..to };
                done("call nowhere", host::grpc_call(nowhere, &[], b"", 1000)).ok();
                done("stream nowhere", host::grpc_stream(nowhere, &[])).ok();
                return Action::Continue;
            }
        };
        match done("begin", result) {
            Ok(token) => called(token),
            Err(_) => return Action::Continue,
        }
        if let (2, Ok(token)) = (self.exchange % 4, result) {
            done("send", host::grpc_send(token, b"one", false)).ok();
            done("send the last", host::grpc_send(token, b"two", true)).ok();
        }
        Action::Pause
    }

    fn grpc(&mut self, token: u32, event: GrpcEvent) {
        match event {
            GrpcEvent::InitialMetadata => pairs("initial metadata", host::pairs(4)),
            GrpcEvent::TrailingMetadata => pairs("trailing metadata", host::pairs(5)),
            GrpcEvent::Message(size) => {
                got("message", host::buffer(GRPC_MESSAGE, 0, size)).ok();
            }
            GrpcEvent::Close => {}
        }
        let is_last = match event {
            GrpcEvent::Close => true,
            // A unary call that succeeds is not closed, too.
            GrpcEvent::Message(_) => self.exchange % 4 < 2,
            _ => false,
        };
        if is_last {
            if let Ok((code, text)) = host::status() {
                tell(&format!("get_status → 0 {code} {}", text.escape_ascii()));
            }
            done("send to the closed", host::grpc_send(token, b"more", true)).ok();
            done("add", host::add(REQUEST_HEADERS, "x-grpc", "answered")).ok();
            done("continue", host::continue_stream(host::REQUEST)).ok();
        }
    }
}
