//! gRPC of every shape.

use crate::situation::{Situation, accept, answer, call, rpc, silent, when};

const OK: &[(&str, &str)] = &[("grpc-status", "0")];

fn over_grpc(situations: Vec<Situation>) -> Vec<Situation> {
    situations.into_iter().map(Situation::over_http2).collect()
}

/// Status 0, unary and streamed.
pub fn calls_that_succeed() -> Vec<Situation> {
    over_grpc(vec![
        when("unary", call("Get").message(3))
            .then(accept().message(7).trailers(OK))
            .answered(200)
            .gives(rpc("Get").grpc("OK")),
        when("streamed by the client", call("Put").message(1).message(2).see(0).message(3))
            .then(accept().message(9).trailers(OK))
            .answered(200)
            .gives(rpc("Put").grpc("OK")),
        when("streamed by the server", call("List").message(1))
            .then(accept().message(1).message(2).message(3).trailers(OK))
            .answered(200)
            .gives(rpc("List").grpc("OK")),
        when("streamed both ways", call("Chat").message(1).see(6).message(2).see(13).message(3))
            .then(silent().accept().see(6).message(1).see(13).message(2).see_end().message(3).trailers(OK))
            .answered(200)
            .gives(rpc("Chat").grpc("OK")),
        when("an answer before the client's end", call("Sum").message(1).see_end())
            .then(silent().see(6).accept().message(1).trailers(OK))
            .answered(200)
            .gives(rpc("Sum").grpc("OK")),
    ])
}

/// Another status, wherever it is.
pub fn calls_that_fail() -> Vec<Situation> {
    over_grpc(vec![
        when("the server's fault in trailers", call("Get").message(1))
            .then(accept().trailers(&[("grpc-status", "13"), ("grpc-message", "oh%20no")]))
            .answered(200)
            .gives(rpc("Get").grpc("INTERNAL").error("INTERNAL")),
        when("the client's fault in trailers", call("Get").message(1))
            .then(accept().message(2).trailers(&[("grpc-status", "5")]))
            .answered(200)
            .gives(rpc("Get").grpc("NOT_FOUND").client_error("NOT_FOUND")),
        when("trailers only", call("Get").message(1))
            .then(accept().field("grpc-status", "7"))
            .answered(200)
            .gives(rpc("Get").grpc("PERMISSION_DENIED").client_error("PERMISSION_DENIED")),
        when("HTTP instead of gRPC", call("Get").message(1))
            .then(answer(503).data("busy"))
            .answered(503)
            .gives(rpc("Get").grpc("UNAVAILABLE").error("UNAVAILABLE")),
    ])
}
