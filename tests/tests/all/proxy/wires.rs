//! What is on the wires: bodies, trailers, upgrades, TLS.

use std::io::{Read, Write};
use std::net::TcpStream;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use meshspan_tests::client;
use meshspan_tests::echo::Echo;
use meshspan_tests::live::{LiveProxy, tls};
use meshspan_tests::upstream::Upstream;
use meshspan_tests::wait::PATIENCE;

use super::before_echo;

/// Bytes without a period that a buffer's size could hide.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

/// Posts a body with trailers over HTTP/2; what comes back of both.
fn post_http2(port: u16, body: &[u8]) -> (Vec<u8>, Option<HeaderMap>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let exchange = async {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let io = TokioIo::new(socket);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let body = Full::new(Bytes::copy_from_slice(body));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
        let request = Request::post("http://meshspan.test/echo").body(body).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = response.into_body().collect().await.unwrap();
        let trailers = body.trailers().cloned();
        (body.to_bytes().to_vec(), trailers)
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await.unwrap() })
}

/// Posts over HTTP/1.1, writing and reading at once; the whole answer.
fn post_http1(port: u16, head: &str, body: Vec<u8>) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&body).unwrap());
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    writing.join().unwrap();
    answer
}

/// A chain of two, so that each wire is one between proxies, too.
fn pair() -> (LiveProxy, LiveProxy, Echo) {
    let (inner, echo) = before_echo(&[]);
    (LiveProxy::before(inner.port(), &["--direction", "outbound"]), inner, echo)
}

#[test]
fn large_bodies_and_trailers_pass_both_ways_to_the_byte() {
    let (outer, _inner, _echo) = pair();
    let body = noise(8 << 20);
    let (back, trailers) = post_http2(outer.port(), &body);
    assert!(back == body, "{} bytes came back of {}", back.len(), body.len());
    assert_eq!(trailers.unwrap()["x-sum"].as_bytes(), b"caf\xe9");

    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = post_http1(outer.port(), &head, body.clone());
    let wire = body_of(&answer);
    assert!(wire == body, "{} bytes came back of {}", wire.len(), body.len());
}

/// The body of an answer, in chunks or not.
fn body_of(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (mut rest, mut body) = (&answer[end + 4..], Vec::new());
    if !head.contains("transfer-encoding: chunked") {
        return rest.to_vec();
    }
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + length]);
        rest = &rest[line + 2 + length + 2..];
    }
}

#[test]
fn chunks_and_trailers_pass_over_http1() {
    let (outer, _inner, _echo) = pair();
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\nte: trailers\r\ntrailer: x-sum\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let answer = post_http1(outer.port(), head, b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 7\r\n\r\n".to_vec());
    let text = String::from_utf8(answer.clone()).unwrap();
    assert_eq!(body_of(&answer), b"abcde");
    assert!(text.contains("\r\n0\r\nx-sum: 7\r\n"), "{text}");
}

#[test]
fn a_body_is_not_read_faster_than_it_is_taken() {
    let (outer, _inner, _echo) = pair();
    let mut socket = TcpStream::connect(("127.0.0.1", outer.port())).unwrap();
    socket.set_nonblocking(false).unwrap();
    socket.set_write_timeout(Some(std::time::Duration::from_secs(2))).unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1073741824\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    // Nobody reads the answer, so that what is sent back fills every buffer on the way.
    let (piece, mut sent) = (vec![7; 64 << 10], 0_usize);
    while sent < 512 << 20
        && socket.write(&piece).is_ok_and(|count| {
            sent += count;
            true
        })
    {}
    assert!(sent < 128 << 20, "{sent} bytes were taken that nobody wanted");
}

#[test]
fn an_upgrade_makes_a_tunnel() {
    let (outer, inner, _echo) = pair();
    let mut socket = TcpStream::connect(("127.0.0.1", outer.port())).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
    for number in 0..3 {
        let message = format!("message {number}");
        socket.write_all(message.as_bytes()).unwrap();
        let mut back = vec![0; message.len()];
        socket.read_exact(&mut back).unwrap();
        assert_eq!(back, message.as_bytes());
    }
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "the application ended, too");
    for proxy in [outer, inner] {
        let (code, output) = proxy.end();
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("1 completed"), "{output}");
    }
}

#[test]
fn each_client_s_version_goes_on_to_the_upstream() {
    let upstream = Upstream::start();
    let proxy = LiveProxy::before(upstream.port(), &[]);
    // What the first ones leave idle, with each worker, is not for those after them.
    for (version, send) in [
        (Version::HTTP_11, client::Request::send_http1 as fn(&client::Request, u16) -> client::Response),
        (Version::HTTP_2, client::Request::send_http2),
        (Version::HTTP_11, client::Request::send_http1),
    ] {
        for _ in 0..4 {
            send(&client::Request::get("/"), proxy.port());
        }
        let versions: Vec<Version> = upstream.take().iter().map(|got| got.version).collect();
        assert_eq!(versions, [version; 4]);
    }
}

#[test]
fn tls_is_spoken_on_both_sides() {
    let (certificate, key) = (tls("cert.pem"), tls("key.pem"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let (inner, _echo) = before_echo(&["--tls-cert", certificate, "--tls-key", key]);
    let url = format!("https://localhost:{}", inner.port());
    for protocol in ["same", "http1", "http2"] {
        let outer = LiveProxy::start(&url, &["--upstream-ca", certificate, "--upstream-protocol", protocol]);
        let body = noise(100_000);
        let (back, trailers) = post_http2(outer.port(), &body);
        assert!(back == body, "{protocol}");
        assert_eq!(trailers.is_some(), protocol != "http1", "HTTP/1.1 announces its trailers: {protocol}");
    }
    let stranger = LiveProxy::start(&url, &[]);
    let response = meshspan_tests::client::Request::get("/").send_http1(stranger.port());
    assert_eq!(response.status, 503, "nobody vouches for the certificate");
}
