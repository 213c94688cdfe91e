//! HTTP/1 byte by byte, as either end: what is read keeps its order and spelling, what is written may be wrong.
//! Spec: <https://www.rfc-editor.org/rfc/rfc9112>

use std::io;

use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::player::{PATIENCE, Wire};
use super::script::{Head, Script, Start};
use super::seen::{Event, Fields, Seen};

/// What comes next on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Head,
    /// Body of so many bytes.
    Sized(usize),
    /// A chunk's length, or the trailers after the last.
    Chunk,
    /// Body until the connection ends.
    Unsized,
    /// Nothing of this message.
    Nothing,
    /// Nothing at all.
    Gone,
}

/// One end of a connection that serves one exchange.
#[derive(Debug)]
pub(super) struct Http1 {
    socket: Option<TcpStream>,
    traceparent: String,
    /// The method of the request, sent or received.
    method: String,
    unread: Vec<u8>,
    next: Next,
    chunked: bool,
    seen: Seen,
}

impl Http1 {
    /// As the client.
    pub(super) fn connect(socket: TcpStream, traceparent: &str) -> Http1 {
        // Without this, a message in several writes waits for the peer's delayed acknowledgement.
        socket.set_nodelay(true).expect("a TCP socket");
        Http1 {
            socket: Some(socket),
            traceparent: traceparent.to_owned(),
            method: String::new(),
            unread: Vec::new(),
            next: Next::Head,
            chunked: false,
            seen: Seen::default(),
        }
    }

    /// As the server; waits for the request's head, unless the script wants bytes.
    pub(super) async fn accept(socket: TcpStream, script: &Script) -> Http1 {
        let mut wire = Http1::connect(socket, "");
        if script.speaks_http() {
            wire.read().await;
        }
        wire
    }

    /// All that was seen. A client that has its answer waits for the end of the connection.
    pub(super) async fn finish(mut self) -> Seen {
        if self.seen.status().is_some() && !self.seen.is_stuck() {
            let ending = async {
                self.close().await;
                self.gone().await;
            };
            if timeout(PATIENCE, ending).await.is_err() {
                self.seen.push(Event::Stuck("the connection's end".to_owned()));
            }
        }
        self.seen
    }

    async fn write(&mut self, bytes: &[u8]) {
        if let Some(socket) = &mut self.socket {
            // The peer may have gone: then reading says so.
            let _ = socket.write_all(bytes).await;
        }
    }

    /// The next event of what is there already.
    fn parse(&mut self) -> Option<Event> {
        match self.next {
            Next::Head => {
                let end = find(&self.unread, b"\r\n\r\n")?;
                let head = fields(&self.unread[..end]);
                self.unread.drain(..end + 4);
                self.next = self.after_head(&head);
                Some(Event::Head(head))
            }
            Next::Sized(0) => {
                self.next = Next::Nothing;
                Some(Event::End)
            }
            Next::Sized(left) => {
                let data = self.take(left)?;
                self.next = Next::Sized(left - data.len());
                Some(Event::Data(data))
            }
            Next::Chunk => self.chunk(),
            Next::Unsized => self.take(usize::MAX).map(Event::Data),
            Next::Nothing | Next::Gone => None,
        }
    }

    /// A whole chunk, or the message's end.
    fn chunk(&mut self) -> Option<Event> {
        let line = find(&self.unread, b"\r\n")?;
        let length = std::str::from_utf8(&self.unread[..line]).ok();
        let length = length.and_then(|text| usize::from_str_radix(text, 16).ok()).expect("a chunk's length");
        if length > 0 {
            let end = line + 2 + length;
            let data = self.unread.get(line + 2..end).filter(|_| self.unread.len() >= end + 2)?.to_vec();
            self.unread.drain(..end + 2);
            return Some(Event::Data(data));
        }
        let end = find(&self.unread, b"\r\n\r\n")?;
        let trailers = fields(&self.unread[line..end]);
        self.unread.drain(..end + 4);
        self.next = Next::Sized(0);
        // The empty line before the trailers has been read as a start line.
        Some(Event::Trailers(trailers)).filter(|_| end > line).or_else(|| self.parse())
    }

    fn take(&mut self, most: usize) -> Option<Vec<u8>> {
        let length = self.unread.len().min(most);
        (length > 0).then(|| self.unread.drain(..length).collect())
    }

    fn after_head(&mut self, head: &Fields) -> Next {
        let value = |name: &str| head.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = |name: &str| value(name).map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let start = value("").unwrap_or_default();
        let tunnel = match start.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)) {
            Some("101") => true,
            Some(interim) if interim.starts_with('1') => return Next::Head,
            Some("204" | "304") => return Next::Sized(0),
            Some(_) if self.method == "HEAD" => return Next::Sized(0),
            Some(status) => self.method == "CONNECT" && status.starts_with('2'),
            None => {
                start.split(' ').next().unwrap_or_default().clone_into(&mut self.method);
                self.method == "CONNECT" || value("upgrade").is_some()
            }
        };
        let length = value("content-length").and_then(|length| length.parse().ok());
        match (value("transfer-encoding").as_deref(), length) {
            _ if tunnel => Next::Unsized,
            (Some("chunked"), _) => Next::Chunk,
            (_, Some(length)) => Next::Sized(length),
            _ if start.starts_with("HTTP/") => Next::Unsized,
            _ => Next::Sized(0),
        }
    }
}

impl Wire for Http1 {
    async fn head(&mut self, head: &Head, goes_on: bool) {
        let has = |name: &str| head.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let (mut text, tunnel) = match &head.start {
            Start::Request { method, target } => {
                method.clone_into(&mut self.method);
                let mut line = format!("{method} {target} HTTP/1.1\r\nhost: {}\r\n", head.authority);
                if !self.traceparent.is_empty() {
                    line.push_str(&format!("traceparent: {}\r\n", self.traceparent));
                }
                (line, method == "CONNECT" || has("upgrade"))
            }
            Start::Status(status) => {
                let tunnel = *status < 200 || matches!(status, 204 | 304) || self.method == "CONNECT";
                (format!("HTTP/1.1 {status} Scripted\r\n"), tunnel)
            }
        };
        let is_sized = tunnel || has("content-length") || has("transfer-encoding") || has("connection");
        self.chunked = !is_sized && goes_on || has("transfer-encoding");
        if self.chunked && !has("transfer-encoding") {
            text.push_str("transfer-encoding: chunked\r\n");
        } else if !is_sized && matches!(head.start, Start::Status(_)) {
            text.push_str("content-length: 0\r\n");
        }
        let mut bytes = text.into_bytes();
        for (name, value) in &head.fields {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        self.write(&bytes).await;
    }

    async fn data(&mut self, data: &Bytes) {
        if self.chunked {
            let chunk = [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
            self.write(&chunk).await;
        } else {
            self.write(data).await;
        }
    }

    async fn trailers(&mut self, fields: &Fields) {
        let mut bytes = b"0\r\n".to_vec();
        for (name, value) in fields {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        self.write(&bytes).await;
    }

    async fn end(&mut self) {
        if self.chunked {
            self.write(b"0\r\n\r\n").await;
        }
    }

    async fn raw(&mut self, bytes: &Bytes) {
        let placeholder = b"{traceparent}";
        match find(bytes, placeholder) {
            Some(place) => {
                let (before, after) = (&bytes[..place], &bytes[place + placeholder.len()..]);
                let whole = [before, self.traceparent.as_bytes(), after].concat();
                self.write(&whole).await;
            }
            None => self.write(bytes).await,
        }
    }

    async fn close(&mut self) {
        if let Some(socket) = &mut self.socket {
            // Fails if the peer has reset the connection: then reading says so.
            let _ = socket.shutdown().await;
        }
    }

    async fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.set_zero_linger().expect("a TCP socket lingers");
        }
        self.next = Next::Gone;
    }

    async fn gone(&mut self) {
        if self.next == Next::Nothing {
            self.next = Next::Unsized;
            while self.read().await {}
        }
    }

    fn tunnel(&mut self) {
        self.next = Next::Unsized;
    }

    async fn read(&mut self) -> bool {
        loop {
            if let Some(event) = self.parse() {
                self.seen.push(event);
                return true;
            }
            let Some(socket) = &mut self.socket else { return false };
            if matches!(self.next, Next::Nothing | Next::Gone) {
                return false;
            }
            let event = match socket.read_buf(&mut self.unread).await {
                Ok(0) => Event::Closed,
                Ok(_) => continue,
                // A peer that closes with our bytes unread resets the connection, or not, as TCP's timing has it.
                Err(error) if is_reset(&error) && self.seen.has_ended() => Event::Closed,
                Err(error) if is_reset(&error) => Event::Reset(String::new()),
                Err(error) => panic!("reading: {error}; seen so far:\n{}", self.seen),
            };
            self.seen.push(event);
            self.next = Next::Gone;
        }
    }

    fn seen(&mut self) -> &mut Seen {
        &mut self.seen
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The start line under the empty name, then `name: value` a line.
fn fields(head: &[u8]) -> Fields {
    let mut fields = Fields::new();
    let mut rest = head;
    while !rest.is_empty() || fields.is_empty() {
        let end = find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        let (name, value) = match find(line, b": ") {
            Some(colon) if !fields.is_empty() => (&line[..colon], &line[colon + 2..]),
            _ => (&line[..0], line),
        };
        fields.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    fields
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}
