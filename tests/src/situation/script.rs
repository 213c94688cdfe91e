//! What one end of an exchange does, in order: a sentence like
//! `answer(200).data("half").meet().reset()`. Knows no protocol; `http1` and `http2` play it.

use std::time::Duration;

use hyper::body::Bytes;
use meshspan::traffic;

use super::recorded::NUMBER;
use super::seen::Fields;

/// How a head begins.
#[derive(Clone, Debug)]
pub(super) enum Start {
    Request { method: String, target: String },
    Status(u16),
}

#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) start: Start,
    /// What a request is for; the target itself for CONNECT.
    pub(super) authority: String,
    pub(super) fields: Fields,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Head(Head),
    Data(Bytes),
    Trailers(Fields),
    End,
    Pause(Duration),
    Meet,
    Close,
    Reset,
    /// Of the answer, not of an interim one.
    SeeHead,
    SeeData(usize),
    SeeEnd,
    SeeGone,
    /// HTTP/1 only: bytes as they are.
    Raw(Bytes),
    /// HTTP/1 only: what comes is bytes, not messages.
    Tunnel,
}

/// What one end does. An upstream begins when a request's head has come; either end goes on reading until
/// the other's message is over. A message that is neither ended, closed, reset nor left open ends with the script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) acts: Vec<Act>,
}

/// A client's script: a request without body, so far.
pub fn request(method: &str, target: &str) -> Script {
    let authority = if method == "CONNECT" { target } else { "meshspan.test" }.to_owned();
    let start = Start::Request { method: method.to_owned(), target: target.to_owned() };
    Script::default().and(Act::Head(Head { start, authority, fields: Fields::default() }))
}

/// A client's script: `GET path`.
pub fn get(path: &str) -> Script {
    request("GET", path)
}

/// A client's script: a gRPC call of `/situations.Service/{method}`, its messages to follow.
pub fn call(method: &str) -> Script {
    let request = request("POST", &format!("/situations.Service/{method}"));
    request.field("content-type", "application/grpc").field("te", "trailers")
}

/// An upstream's script: a response's head, once the whole request has come. One that comes before starts with
/// [`silent`].
pub fn answer(status: u16) -> Script {
    silent().see_end().answer(status)
}

/// An upstream's script: the head of a gRPC response, once the whole request has come.
pub fn accept() -> Script {
    silent().see_end().accept()
}

/// An upstream's script that says nothing, so far.
pub fn silent() -> Script {
    Script::default()
}

/// Either end's script: bytes as they are; `{traceparent}` stands for the exchange's own. HTTP/1 only.
pub fn raw(bytes: impl AsRef<[u8]>) -> Script {
    Script::default().and(Act::Raw(Bytes::copy_from_slice(bytes.as_ref())))
}

/// An upstream's script: bytes both ways, without messages.
pub fn tunnel() -> Script {
    Script::default().and(Act::Tunnel)
}

impl Script {
    /// Whether messages are wanted, not just bytes.
    pub(super) fn speaks_http(&self) -> bool {
        !matches!(self.acts.first(), Some(Act::Tunnel))
    }

    fn and(mut self, act: Act) -> Script {
        self.acts.push(act);
        self
    }

    /// A response's head, after interim ones.
    #[must_use]
    pub fn answer(self, status: u16) -> Script {
        let start = Start::Status(status);
        self.and(Act::Head(Head { start, authority: String::new(), fields: Fields::default() }))
    }

    /// The head of a gRPC response.
    #[must_use]
    pub fn accept(self) -> Script {
        self.answer(200).field("content-type", "application/grpc")
    }

    /// Bytes as they are. HTTP/1 only.
    #[must_use]
    pub fn raw(self, bytes: impl AsRef<[u8]>) -> Script {
        self.and(Act::Raw(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// One more field of the head.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Script {
        self.head().fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// For another host than the usual one.
    #[must_use]
    pub fn host(mut self, authority: &str) -> Script {
        self.head().authority = authority.to_owned();
        self
    }

    /// Whether this is the target or the authority of the request, or one of its fields.
    pub(super) fn is_about(&self, what: &str) -> bool {
        let Some(Act::Head(head)) = self.acts.first() else { return false };
        let is_target = matches!(&head.start, Start::Request { target, .. } if target == what);
        // What is for another proxy is sent on.
        let is_onward = head.fields.iter().any(|(name, _)| name == "x-onward");
        !is_onward
            && (is_target || head.authority == what || head.fields.iter().any(|(name, _)| name == what))
    }

    /// The same for guests, which know an exchange by its number.
    pub(super) fn numbered(&self, number: usize) -> Script {
        let (mut script, number) = (self.clone(), number.to_string());
        match script.acts.first_mut() {
            Some(Act::Head(head)) => {
                head.fields.push((NUMBER.to_owned(), number.into_bytes()));
                // Envoy would add it, as the first proxy.
                head.fields.push(("x-forwarded-proto".to_owned(), b"http".to_vec()));
            }
            Some(Act::Raw(bytes)) => {
                let line = bytes.windows(2).position(|end| end == b"\r\n").map_or(bytes.len(), |end| end + 2);
                let (line, rest) = bytes.split_at(line);
                let field = format!("{NUMBER}: {number}\r\nx-forwarded-proto: http\r\n");
                *bytes = [line, field.as_bytes(), rest].concat().into();
            }
            _ => {}
        }
        script
    }

    fn head(&mut self) -> &mut Head {
        match self.acts.last_mut() {
            Some(Act::Head(head)) => head,
            other => panic!("fields belong to a head, not to {other:?}"),
        }
    }

    /// A part of the body: a chunk, or a DATA frame.
    #[must_use]
    pub fn data(self, bytes: impl AsRef<[u8]>) -> Script {
        self.and(Act::Data(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// A part of the body of `length` bytes, no two neighbours alike.
    #[must_use]
    pub fn much(self, length: usize) -> Script {
        self.and(Act::Data((0..=250_u8).cycle().take(length).collect()))
    }

    /// One gRPC message of `length` bytes.
    #[must_use]
    pub fn message(self, length: u8) -> Script {
        self.data([&[0, 0, 0, 0, length], vec![b'm'; usize::from(length)].as_slice()].concat())
    }

    /// Trailers, and with them the message's end.
    #[must_use]
    pub fn trailers(self, fields: &[(&str, &str)]) -> Script {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        self.and(Act::Trailers(fields.collect()))
    }

    /// Trailers of any bytes.
    #[must_use]
    pub(super) fn trailing(self, trailers: &traffic::Headers) -> Script {
        let fields = trailers.iter().map(|(name, value)| (name.clone(), value.as_bytes().to_vec()));
        self.and(Act::Trailers(fields.collect()))
    }

    /// The message's end.
    #[must_use]
    pub fn end(self) -> Script {
        self.and(Act::End)
    }

    /// Nothing for a while.
    #[must_use]
    pub fn pause(self, time: Duration) -> Script {
        self.and(Act::Pause(time))
    }

    /// Waits until the other end's script is at its own `meet`.
    #[must_use]
    pub fn meet(self) -> Script {
        self.and(Act::Meet)
    }

    /// Waits until the answer's head has come.
    #[must_use]
    pub fn see_answer(self) -> Script {
        self.and(Act::SeeHead)
    }

    /// Waits until `length` bytes of body have come in all.
    #[must_use]
    pub fn see(self, length: usize) -> Script {
        self.and(Act::SeeData(length))
    }

    /// Waits until the other end's message is over.
    #[must_use]
    pub fn see_end(self) -> Script {
        self.and(Act::SeeEnd)
    }

    /// Waits until the other end has gone: from its connection over HTTP/1, from the stream over HTTP/2. Leaves
    /// the own message open.
    #[must_use]
    pub fn see_gone(self) -> Script {
        self.and(Act::SeeGone)
    }

    /// Breaks off: RST of the connection over HTTP/1, of the stream over HTTP/2.
    #[must_use]
    pub fn reset(self) -> Script {
        self.and(Act::Reset)
    }

    /// Ends the connection in order: nothing more will be sent.
    #[must_use]
    pub fn close(self) -> Script {
        self.and(Act::Close)
    }
}

/// Whether a message goes on after its head, given the acts that follow the head.
pub(super) fn goes_on(rest: &[Act]) -> bool {
    let mut rest = rest.iter().take_while(|act| !matches!(act, Act::Head(_) | Act::End));
    rest.any(|act| matches!(act, Act::Data(_) | Act::Trailers(_) | Act::Raw(_) | Act::SeeGone))
}
