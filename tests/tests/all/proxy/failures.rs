//! Filters, upstreams and clients that fail.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use meshspan_tests::client::Request;
use meshspan_tests::live::{LiveProxy, dead_port};
use meshspan_tests::{tools, wait};

use super::{before_echo, file};

/// A filter that traps at each request's head.
const TRAPS: &str = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

#[test]
fn traffic_goes_on_or_not_when_the_filter_fails() {
    let directory = tempfile::tempdir().unwrap();
    let filter = file(&directory, "traps.wasm", wat::parse_str(TRAPS).unwrap());
    let filter = filter.to_str().unwrap();
    for (policy, expected) in [("open", 200), ("closed", 503), ("reload", 503)] {
        let (proxy, _echo) = before_echo(&["--filter", filter, "--on-failure", policy]);
        for _ in 0..3 {
            assert_eq!(Request::get("/").send_http1(proxy.port()).status, expected, "{policy}");
            assert_eq!(Request::get("/").send_http2(proxy.port()).status, expected, "{policy}");
        }
        let (code, output) = proxy.end();
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("the filter failed"), "{policy}: {output}");
        assert!(output.contains("VMs lost"), "{policy}: {output}");
    }
}

#[test]
fn an_upstream_that_is_not_there_is_503() {
    let proxy = LiveProxy::before(dead_port(), &[]);
    let response = Request::get("/").send_http1(proxy.port());
    assert_eq!(response.status, 503);
    let body = String::from_utf8(response.body).unwrap();
    assert!(body.ends_with("reset reason: remote connection failure"), "{body}");
    let call = Request::grpc("a", "/s/m").send_http2(proxy.port());
    assert_eq!((call.status, call.grpc_status.as_deref()), (200, Some("14")), "in gRPC's words");
    let (_, output) = proxy.end();
    assert!(output.contains("2 upstream failures"), "{output}");
}

#[test]
fn a_client_that_leaves_is_not_waited_for() {
    let (proxy, echo) = before_echo(&[]);
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    socket.write_all(b"GET /after/60000 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    wait::until("the application to be asked", || (echo.requests() == 1).then_some(()));
    drop(socket);
    let (code, output) = proxy.end();
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("1 left by the client"), "{output}");
}

#[test]
fn an_upstream_that_breaks_off_breaks_the_answer_off() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let proxy = LiveProxy::before(listener.local_addr().unwrap().port(), &[]);
    let upstream = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        assert!(socket.read(&mut head).unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
    });
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    socket.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    // The end of the connection, or an error of it: either way the answer has no end of its own.
    let _ = socket.read_to_string(&mut answer);
    upstream.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(!answer.contains("0\r\n\r\n"), "it looks whole: {answer}");
    let (_, output) = proxy.end();
    assert!(output.contains("1 reset"), "{output}");
}

#[test]
fn what_cannot_start_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let config = file(&directory, "plugin.json", r#"{"version":1,"start_traces":"no"}"#);
    let config = config.to_str().unwrap();
    let rows: [(&[&str], i32, &str); 5] = [
        (&["--config", config], 3, "start_traces"),
        (&["--config", "/nowhere"], 1, "cannot read /nowhere"),
        (&["--cluster", "otel"], 2, "expected NAME=VALUE"),
        (&["--cluster", "otel=ftp://x"], 2, "expected http://HOST:PORT"),
        (&["--tls-cert", config, "--tls-key", config], 3, "expected PEM"),
    ];
    for (arguments, code, expected) in rows {
        let mut command = Command::new(tools::meshspan());
        let output = command.args(["proxy", "--upstream", "127.0.0.1:1"]).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
