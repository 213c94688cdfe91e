//! Clients: HTTP/1.1 byte by byte, so that a header may hold anything, and HTTP/2 without TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::http::HeaderValue;
use hyper_util::rt::{TokioExecutor, TokioIo};

use meshspan::traffic;

use crate::wait::PATIENCE;

/// A request to send to a port of 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    authority: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body, as received.
    pub body: Vec<u8>,
    /// `grpc-status` of the trailers, or of the head where there are no trailers.
    pub grpc_status: Option<String>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, authority: &str, path: &str) -> Request {
        Request {
            method: method.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET path` to an authority that does not matter.
    pub fn get(path: &str) -> Request {
        Request::new("GET", "meshspan.test", path)
    }

    /// A unary gRPC call with an empty message.
    pub fn grpc(authority: &str, path: &str) -> Request {
        let request = Request::new("POST", authority, path);
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        Request { body: vec![0; 5], ..request }
    }

    /// A recorded request; zeros stand for a body that was not recorded.
    pub fn recorded(request: &traffic::Request) -> Request {
        let bare = Request::new(&request.method, &request.authority, &request.path);
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_bytes().to_owned())).collect();
        let length = usize::try_from(request.body_bytes).expect("a body that fits");
        let recorded = request.body.iter().flatten().map(|chunk| chunk.data.as_slice());
        let body =
            if request.body.is_some() { recorded.collect::<Vec<_>>().concat() } else { vec![0; length] };
        Request { headers, body, ..bare }
    }

    /// Adds a header; its value may be any bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Sends it over HTTP/1.1; panics when there is no whole answer.
    pub fn send_http1(&self, port: u16) -> Response {
        self.try_send_http1(port).unwrap_or_else(|error| panic!("{self:?} to port {port}: {error}"))
    }

    /// Sends it over HTTP/1.1, on a connection of its own.
    ///
    /// # Errors
    /// Those of the socket, and an answer without a status line.
    pub fn try_send_http1(&self, port: u16) -> io::Result<Response> {
        let mut socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut bytes =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.path, self.authority).into_bytes();
        bytes.extend(format!("connection: close\r\ncontent-length: {}\r\n", self.body.len()).bytes());
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        socket.write_all(&bytes)?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer)?;
        parse(&answer, self.method == "HEAD").ok_or_else(|| io::Error::other("the answer has no head"))
    }

    /// Sends it over HTTP/2 with prior knowledge; panics when there is no whole answer.
    pub fn send_http2(&self, port: u16) -> Response {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, self.exchange(port)).await;
            answer.unwrap_or_else(|_| panic!("{self:?} to port {port}: no answer"))
        })
    }

    async fn exchange(&self, port: u16) -> Response {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("the proxy listens");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
                .await
                .expect("HTTP/2 with prior knowledge");
        tokio::spawn(connection);
        let uri = format!("http://{}{}", self.authority, self.path);
        let mut request = hyper::Request::builder().method(self.method.as_str()).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, HeaderValue::from_bytes(value).expect("a value of HTTP/2"));
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(&self.body))).expect("a valid request");
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole body");
        let grpc_status = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
        let grpc_status = grpc_status.or_else(|| head.headers.get("grpc-status"));
        let grpc_status = grpc_status.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Response { status: head.status.as_u16(), grpc_status, body: body.to_bytes().to_vec() }
    }
}

/// Status and body; chunks are taken apart. What answers HEAD has none, whatever it says of its length.
fn parse(answer: &[u8], is_head: bool) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = !is_head && head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body)? } else { body.to_vec() };
    Some(Response { status, body, grpc_status: None })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 2 + length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_torn_answer_is_none() {
        let answer =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(parse(answer, false).expect("whole").body, b"abc0123456789");
        assert!(parse(&answer[..answer.len() - 8], false).is_none(), "the last chunks are missing");
    }
}
