//! HTTP/2 as either end, with the library that has streams rather than requests: `h2`.
//! Spec: <https://www.rfc-editor.org/rfc/rfc9113>

use std::future::poll_fn;
use std::task::Poll;

use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::player::Wire;
use super::script::{Head, Start};
use super::seen::{Event, Fields, Seen};

/// Makes CONNECT an extended one. Spec: <https://www.rfc-editor.org/rfc/rfc8441>
const PROTOCOL: &str = ":protocol";

/// What comes next on the stream.
enum Next {
    Head(ResponseFuture),
    Body(RecvStream),
    Nothing,
}

/// How this end begins to send.
enum Begin {
    Request(SendRequest<Bytes>),
    Response(SendResponse<Bytes>),
}

/// One end of a connection that serves one exchange.
pub(super) struct Http2 {
    begin: Begin,
    sending: Option<SendStream<Bytes>>,
    next: Next,
    traceparent: String,
    seen: Seen,
    connection: JoinHandle<()>,
}

impl Http2 {
    /// As the client.
    pub(super) async fn connect(socket: TcpStream, traceparent: &str) -> Http2 {
        let (sender, connection) = h2::client::handshake(socket).await.expect("HTTP/2 with prior knowledge");
        // It ends with its socket; what that means for the stream, the stream says.
        let connection = tokio::spawn(async { drop(connection.await) });
        let traceparent = traceparent.to_owned();
        let (sending, next, seen) = (None, Next::Nothing, Seen::default());
        Http2 { begin: Begin::Request(sender), sending, next, traceparent, seen, connection }
    }

    /// As the server; none if the client goes away before it has sent a head. If `once`, the client is told to
    /// use another connection for what it has next.
    pub(super) async fn try_accept(socket: TcpStream, once: bool) -> Option<Http2> {
        let mut builder = h2::server::Builder::new();
        let mut connection = builder.enable_connect_protocol().handshake(socket).await.ok()?;
        let (request, sender) = connection.accept().await?.ok()?;
        if once {
            connection.graceful_shutdown();
        }
        let connection = tokio::spawn(async move { while let Some(Ok(_)) = connection.accept().await {} });
        let (head, body) = request.into_parts();
        let mut fields = vec![(":method".to_owned(), head.method.as_str().into())];
        let protocol = head.extensions.get::<Protocol>();
        fields.extend(protocol.map(|protocol| (PROTOCOL.to_owned(), protocol.as_str().into())));
        let authority = head.uri.authority().map(|authority| authority.as_str());
        let path = head.uri.path_and_query().map(|path| path.as_str());
        for (name, value) in [(":authority", authority), (":path", path), (":scheme", head.uri.scheme_str())]
        {
            fields.extend(value.map(|value| (name.to_owned(), value.as_bytes().to_vec())));
        }
        fields.extend(owned(&head.headers));
        let mut seen = Seen::default();
        seen.push(Event::Head(fields));
        let (begin, sending, traceparent) = (Begin::Response(sender), None, String::new());
        Some(Http2 { begin, sending, next: Next::Body(body), traceparent, seen, connection })
    }

    pub(super) fn finish(self) -> Seen {
        self.seen
    }

    fn gone_for(&mut self, error: &h2::Error) {
        self.next = Next::Nothing;
        self.seen.push(Event::Reset(reason(error)));
    }

    fn take_head(&mut self, head: Result<(HeaderMap, StatusCode, Option<RecvStream>), h2::Error>) {
        match head {
            Ok((headers, status, body)) => {
                let mut fields = vec![(":status".to_owned(), status.as_str().into())];
                fields.extend(owned(&headers));
                self.seen.push(Event::Head(fields));
                if let Some(body) = body {
                    self.next = Next::Body(body);
                }
            }
            Err(error) => self.gone_for(&error),
        }
    }

    fn take_piece(&mut self, piece: Result<Piece, h2::Error>) {
        match piece {
            Ok(Piece::Data(data)) => {
                if !data.is_empty() {
                    self.seen.push(Event::Data(data.to_vec()));
                }
            }
            Ok(Piece::End(trailers)) => {
                self.next = Next::Nothing;
                let trailers = trailers.map(|trailers| Event::Trailers(owned(&trailers).collect()));
                trailers.into_iter().chain([Event::End]).for_each(|event| self.seen.push(event));
            }
            Err(error) => self.gone_for(&error),
        }
    }
}

/// What comes of a body.
enum Piece {
    Data(Bytes),
    End(Option<HeaderMap>),
}

/// The next head, interim ones without a body. May be dropped while it waits.
async fn next_head(
    response: &mut ResponseFuture,
) -> Result<(HeaderMap, StatusCode, Option<RecvStream>), h2::Error> {
    let head = poll_fn(|cx| {
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            return Poll::Ready(interim.map(|head| (head.into_parts().0, None)));
        }
        let whole = std::pin::Pin::new(&mut *response).poll(cx);
        whole.map_ok(|whole| {
            let (head, body) = whole.into_parts();
            (head, Some(body))
        })
    });
    head.await.map(|(head, body)| (head.headers, head.status, body))
}

/// May be dropped while it waits.
async fn next_piece(body: &mut RecvStream) -> Result<Piece, h2::Error> {
    match body.data().await {
        Some(data) => {
            let data = data?;
            // Fails only for a stream that has ended.
            let _ = body.flow_control().release_capacity(data.len());
            Ok(Piece::Data(data))
        }
        None => body.trailers().await.map(Piece::End),
    }
}

impl Wire for Http2 {
    async fn head(&mut self, head: &Head, goes_on: bool) {
        match (&mut self.begin, &head.start) {
            (Begin::Request(sender), Start::Request { method, target }) => {
                let protocol = head.fields.iter().find(|(name, _)| name == PROTOCOL);
                let uri = match (method.as_str(), head.authority.as_str()) {
                    ("CONNECT", _) if protocol.is_none() => target.clone(),
                    (_, "") => target.clone(),
                    (_, authority) => format!("http://{authority}{target}"),
                };
                let method = Method::try_from(method.as_str()).expect("a method");
                let mut request = Request::builder().method(method).uri(uri).body(()).expect("a request");
                *request.headers_mut() = map(&head.fields);
                if let Some((_, protocol)) = protocol {
                    allowed(sender).await;
                    let protocol = std::str::from_utf8(protocol).expect("a protocol's name");
                    request.extensions_mut().insert(Protocol::from(protocol));
                }
                if !self.traceparent.is_empty() {
                    let traceparent = HeaderValue::from_str(&self.traceparent).expect("a header's value");
                    request.headers_mut().insert("traceparent", traceparent);
                }
                let (response, sending) = sender.send_request(request, !goes_on).expect("a request");
                (self.next, self.sending) = (Next::Head(response), Some(sending));
            }
            (Begin::Response(sender), Start::Status(status)) => {
                let mut response = Response::builder().status(*status).body(()).expect("a response");
                *response.headers_mut() = map(&head.fields);
                if *status < 200 {
                    sender.send_informational(response).expect("an interim response");
                } else {
                    // Fails if the stream has been reset: then reading says so.
                    self.sending = sender.send_response(response, !goes_on).ok();
                }
            }
            (_, other) => panic!("{other:?} is for the other end"),
        }
    }

    async fn data(&mut self, data: &Bytes) {
        if let Some(sending) = &mut self.sending {
            let _ = sending.send_data(data.clone(), false);
        }
    }

    async fn trailers(&mut self, fields: &Fields) {
        if let Some(sending) = &mut self.sending {
            let _ = sending.send_trailers(map(fields));
        }
    }

    async fn end(&mut self) {
        if let Some(sending) = &mut self.sending {
            // Fails where the head was the end already.
            let _ = sending.send_data(Bytes::new(), true);
        }
    }

    async fn raw(&mut self, bytes: &Bytes) {
        panic!("{} is for HTTP/1", bytes.escape_ascii());
    }

    async fn close(&mut self) {
        self.connection.abort();
        // A stream that is dropped before its connection is reset.
        let _ = (&mut self.connection).await;
        self.next = Next::Nothing;
    }

    async fn reset(&mut self) {
        match (&mut self.sending, &mut self.begin) {
            (Some(sending), Begin::Request(_)) => sending.send_reset(Reason::CANCEL),
            (Some(sending), Begin::Response(_)) => sending.send_reset(Reason::INTERNAL_ERROR),
            (None, Begin::Response(sender)) => sender.send_reset(Reason::INTERNAL_ERROR),
            (None, Begin::Request(_)) => panic!("nothing to reset"),
        }
        self.next = Next::Nothing;
    }

    async fn gone(&mut self) {
        if self.seen.is_broken() {
            return;
        }
        let reason = match (&mut self.sending, &mut self.begin) {
            (Some(sending), _) => poll_fn(|cx| sending.poll_reset(cx)).await,
            (None, Begin::Response(sender)) => poll_fn(|cx| sender.poll_reset(cx)).await,
            (None, Begin::Request(_)) => panic!("nobody to go"),
        };
        let reason = reason.map_or_else(|error| self::reason(&error), |reason| format!("{reason:?}"));
        self.seen.push(Event::Reset(reason));
    }

    fn tunnel(&mut self) {
        panic!("a tunnel is for HTTP/1");
    }

    async fn read(&mut self) -> bool {
        match &mut self.next {
            Next::Head(response) => {
                let head = next_head(response).await;
                self.take_head(head);
            }
            Next::Body(body) => {
                let piece = next_piece(body).await;
                self.take_piece(piece);
            }
            Next::Nothing => return false,
        }
        true
    }

    fn seen(&mut self) -> &mut Seen {
        &mut self.seen
    }
}

/// Waits until the server has said that it takes extended CONNECT, which its first frame does.
async fn allowed(sender: &SendRequest<Bytes>) {
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// HTTP/2's reason; how the connection under it ended is a matter of chance.
fn reason(error: &h2::Error) -> String {
    error.reason().map_or_else(|| "connection".to_owned(), |reason| format!("{reason:?}"))
}

fn map(fields: &Fields) -> HeaderMap {
    let pair = |(name, value): &(String, Vec<u8>)| {
        let name = HeaderName::try_from(name.as_str()).expect("a header's name");
        (name, HeaderValue::from_bytes(value).expect("a header's value"))
    };
    // Collecting would keep one of several values.
    let mut map = HeaderMap::new();
    for (name, value) in fields.iter().filter(|(name, _)| name != PROTOCOL).map(pair) {
        map.append(name, value);
    }
    map
}

fn owned(map: &HeaderMap) -> impl Iterator<Item = (String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
}
