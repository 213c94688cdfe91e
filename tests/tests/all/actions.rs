//! Every number that a callback can return, in a real Envoy and in `meshspan proxy`: what becomes of heads, bodies
//! and trailers is the same. The SDKs for Rust and Go know two of these numbers, that for C++ more, and a guest
//! may return any.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use meshspan_tests::envoy::Config;
use meshspan_tests::live::LiveProxy;
use meshspan_tests::process::free_port;

use super::proxy::file;

const BOOTSTRAP: &str = include_str!("../../envoy/guests.yaml");
const LISTENER: &str = include_str!("../../envoy/actions-listener.yaml");
/// As the listener has it.
const LIMIT: &str = "16KiB";
/// More than that.
const LARGE: usize = 40_000;
/// Between the pieces of a body: each is read alone.
const PAUSE: Duration = Duration::from_millis(60);
/// More than anything takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request's path asks for: `/`, then what is returned to a head, to a body's first piece, to the others and
/// to trailers, first of the request and then of the response, then which side goes on by itself, from half a second
/// to a second after the head; from then on nothing is held. A `:` is a number that there is not, 10.
const GUEST: &str = r#"(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $every (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $as (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ":path")
  (global $stream (mut i32) (i32.const 0))
  (global $ticks (mut i32) (i32.const 0))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_abi_version_0_2_1"))
  (func $asked (param $place i32) (result i32)
    (i32.sub (i32.load8_u (i32.add (i32.const 1025) (local.get $place))) (i32.const 48)))
  (func $piece (param $place i32) (result i32)
    (call $asked (local.get $place))
    (i32.store8 (i32.add (i32.const 1025) (local.get $place))
      (i32.load8_u (i32.add (i32.const 1026) (local.get $place)))))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (i32.eqz (call $every (i32.const 500))))
  (func (export "proxy_on_tick") (param i32)
    (if (i32.eqz (global.get $stream)) (then (return)))
    (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
    (if (i32.or (i32.ne (global.get $ticks) (i32.const 2)) (i32.gt_u (call $asked (i32.const 8)) (i32.const 1)))
      (then (return)))
    (drop (call $as (global.get $stream)))
    (drop (call $continue (call $asked (i32.const 8))))
    (i64.store (i32.const 1025) (i64.const 0x3030303030303030)))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 64) (i32.const 68)))
    (global.set $stream (local.get 0))
    (global.set $ticks (i32.const 0))
    (call $asked (i32.const 0)))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (call $piece (i32.const 1)))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (call $asked (i32.const 3)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (call $asked (i32.const 4)))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (call $piece (i32.const 5)))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (call $asked (i32.const 7)))
  (func (export "proxy_on_delete") (param i32) (global.set $stream (i32.const 0))))"#;

/// What is returned, how large the body's second piece is, and what the client gets.
const TABLE: [(&str, &str, usize, &str); 25] = [
    ("nothing is held", "00000000-", 2, "200 abXX"),
    ("a head: ContinueAndEndStream, which Envoy does not know", "20000000-", 2, "200 abXX"),
    ("a head: StopIteration", "100000000", 2, "200 abXX"),
    ("the same, and more than the limit", "100000000", LARGE, "200 40002"),
    ("a head: StopAllIterationAndBuffer", "300000000", 2, "200 abXX"),
    ("the same, and more than the limit", "300000000", LARGE, "413"),
    ("a head: StopAllIterationAndWatermark", "400000000", LARGE, "200 40002"),
    ("a head: no such number", ":00000000", 2, "200 abXX"),
    ("a body: StopIterationAndBuffer", "011000000", 2, "200 abXX"),
    ("the same, and more than the limit", "011000000", LARGE, "413"),
    ("a body's first piece: StopIterationAndBuffer", "01000000-", 2, "200 abXX"),
    ("a body: StopIterationAndWatermark", "022000000", 2, "200 abXX"),
    ("the same, and more than the limit", "022000000", LARGE, "200 40002"),
    ("a body's first piece: StopIterationAndWatermark", "02000000-", 2, "200 abXX"),
    ("a body: StopIterationNoBuffer", "033000000", 2, "200 "),
    ("a body's first piece: StopIterationNoBuffer", "03000000-", 2, "200 XX"),
    ("a body: first Buffer, then NoBuffer", "013000000", 2, "200 abXX"),
    ("a body: first Watermark, then NoBuffer", "023000000", 2, "200 ab"),
    ("a body's first piece: no such number", "0:000000-", 2, "200 XX"),
    ("a response's head: ContinueAndEndStream", "00002000-", 2, "200 abXX"),
    ("a response's head: StopAllIterationAndBuffer", "000030001", LARGE, "500"),
    ("a response's body: StopIterationAndBuffer, whose head has gone", "000001101", LARGE, "200 "),
    ("a response's body: StopIterationAndWatermark", "000002201", LARGE, "200 40002"),
    ("a response's first piece: StopIterationNoBuffer", "00000300-", 2, "200 XX"),
    ("a response's first piece: no such number", "00000:00-", 2, "200 XX"),
];

#[test]
fn what_callbacks_return_means_what_it_means_in_envoy() {
    let (upstream, port) = (upstream(), free_port());
    let wasm = wat::parse_str(GUEST).unwrap();
    let listener = LISTENER.replace("PORT", &port.to_string());
    let yaml = BOOTSTRAP.replace("\nLISTENERS\n", &format!("\n{listener}"));
    let config = Config::of(yaml).filter(&wasm).port(8080, upstream);
    let envoy = config.start();
    let directory = tempfile::tempdir().unwrap();
    let filter = file(&directory, "actions.wasm", wasm);
    let arguments =
        ["--workers", "1", "--filter", filter.to_str().unwrap(), "--buffer-limit", LIMIT, "--upstream"];
    let upstream = format!("http://127.0.0.1:{upstream}");
    let proxy = LiveProxy::run(&[arguments.as_slice(), &[&upstream]].concat(), &[]);
    for (reason, path, size, expected) in TABLE {
        assert_eq!(exchange(port, path, size), expected, "{reason}: Envoy");
        assert_eq!(exchange(proxy.port(), path, size), expected, "{reason}: meshspan proxy");
    }
    drop(envoy);
    let (_, output) = proxy.end();
    assert!(!output.contains("failed"), "{output}");
}

/// An application that takes a whole request and then sends its body back in the same two pieces, for as long as
/// the test runs.
fn upstream() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || answer(&mut socket));
        }
    });
    port
}

/// Proxies leave before the end where they answer themselves.
fn answer(socket: &mut TcpStream) {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    while !request.ends_with("\r\n0\r\n\r\n") {
        match socket.read(&mut buffer) {
            Ok(read) if read > 0 => request.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
            _ => return,
        }
    }
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body = unchunked(body);
    let (first, second) = body.split_at(body.len().min(2));
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    send(socket, head, &[first, second]);
}

/// Sends a head and a body's pieces, one by one.
fn send(socket: &mut TcpStream, head: &str, pieces: &[&str]) {
    let chunks = pieces.iter().filter(|piece| !piece.is_empty());
    let chunks = chunks.map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()));
    for part in [head.to_owned()].into_iter().chain(chunks).chain(["0\r\n\r\n".to_owned()]) {
        // Who was answered too early finds the connection closed.
        let _ = socket.write_all(part.as_bytes());
        std::thread::sleep(PAUSE);
    }
}

/// Sends `ab` and a piece of this size; status and body, or the body's size if it is large.
fn exchange(port: u16, path: &str, size: usize) -> String {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    send(&mut socket, &format!("POST /{path} {head}"), &["ab", &"X".repeat(size)]);
    let mut answer = Vec::new();
    // An answer that came early may end in a reset.
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap();
    match unchunked(body) {
        _ if status != "200" => status.to_owned(),
        body if body.len() > 100 => format!("{status} {}", body.len()),
        body => format!("{status} {body}"),
    }
}

/// The bytes of a body in chunks; of one that is none, nothing.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    whole
}
