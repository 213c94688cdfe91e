//! What Envoy knows of every stream, as properties.

use super::request::Plan;
use crate::host::{PropertyValue, StreamId};
use crate::time::Timestamp;
use crate::vm::Vm;

const CLIENT: (&str, i64) = ("127.0.0.1:40000", 40_000);
const PROXY: (&str, i64) = ("127.0.0.1:8080", 8_080);
const UPSTREAM: (&str, i64) = ("127.0.0.1:80", 80);

/// At the request's head; what the test says of its own comes last.
pub(super) fn of_request(vm: &mut Vm, stream: StreamId, plan: &Plan, now: Timestamp) {
    let protocol = if plan.is_http2 { "HTTP/2" } else { "HTTP/1.1" };
    vm.set_property(stream, &["request", "time"], PropertyValue::Timestamp(now));
    vm.set_property(stream, &["request", "protocol"], text(protocol));
    for (name, (address, port)) in [("source", CLIENT), ("destination", PROXY), ("upstream", UPSTREAM)] {
        vm.set_property(stream, &[name, "address"], text(address));
        vm.set_property(stream, &[name, "port"], PropertyValue::Int(port));
    }
    for (path, value) in &plan.properties {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        vm.set_property(stream, &path, value.clone());
    }
}

/// At the response's head.
pub(super) fn of_response(vm: &mut Vm, stream: StreamId, plan: &Plan) {
    let code =
        plan.response.head.first(":status").and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    if let Some(code) = code {
        vm.set_property(stream, &["response", "code"], PropertyValue::Int(code));
    }
    vm.set_property(stream, &["response", "code_details"], text("via_upstream"));
    vm.set_property(stream, &["response", "backend_latency"], PropertyValue::Duration(plan.upstream_takes));
}

/// At the stream's end.
pub(super) fn of_end(vm: &mut Vm, stream: StreamId, began: Timestamp, now: Timestamp) {
    vm.set_property(stream, &["request", "duration"], PropertyValue::Duration(now.since(began)));
}

fn text(text: &str) -> PropertyValue {
    PropertyValue::Bytes(text.into())
}
