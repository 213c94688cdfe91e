//! The wires of an exchange: where pieces come from, and where they go.

use std::collections::VecDeque;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use tokio::sync::mpsc;

use super::body::Piece;
use super::breach::Breach;
use super::wire;
use crate::flow::Part;
use crate::host::HeaderMap;

/// Where one side of an exchange comes from.
#[derive(Debug, Default)]
pub(super) enum Source {
    /// Nothing more comes.
    #[default]
    Ended,
    Body(Incoming),
    Tunnel {
        bytes: mpsc::Receiver<std::io::Result<Bytes>>,
        /// The peer may end its side and go on reading, as over HTTP/2. Over HTTP/1.1 it has gone then, as for Envoy.
        half_closes: bool,
    },
}

/// What came.
pub(super) enum Came {
    Data {
        bytes: Bytes,
        end: bool,
    },
    Trailers(HeaderMap),
    /// It broke off.
    Broken(Breach),
    /// A tunnel's peer has gone in order.
    Gone,
}

impl Source {
    pub(super) fn is_open(&self) -> bool {
        !matches!(self, Self::Ended)
    }

    /// The next piece. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Came {
        let (came, ended) = match self {
            Self::Ended => std::future::pending().await,
            Self::Body(body) => match body.frame().await {
                None => (Came::Data { bytes: Bytes::new(), end: true }, true),
                Some(Err(error)) => (Came::Broken(Breach::within_body(&error)), true),
                Some(Ok(frame)) => came(frame, hyper::body::Body::is_end_stream(body)),
            },
            Self::Tunnel { bytes, half_closes } => match bytes.recv().await {
                Some(Ok(bytes)) => (Came::Data { bytes, end: false }, false),
                None if *half_closes => (Came::Data { bytes: Bytes::new(), end: true }, true),
                None => (Came::Gone, true),
                Some(Err(_)) => (Came::Broken(Breach::Termination), true),
            },
        };
        if ended {
            *self = Self::Ended;
        }
        came
    }
}

fn came(frame: Frame<Bytes>, is_last: bool) -> (Came, bool) {
    match frame.into_data() {
        Ok(bytes) => (Came::Data { bytes, end: is_last }, is_last),
        Err(frame) => match frame.into_trailers() {
            Ok(trailers) => (Came::Trailers(wire::trailers_seen(&trailers)), true),
            Err(_) => (Came::Data { bytes: Bytes::new(), end: is_last }, is_last),
        },
    }
}

/// Where one side of an exchange goes to: what waits, in front of a short channel.
#[derive(Debug, Default)]
pub(super) struct Sink {
    waiting: VecDeque<Piece>,
    sender: Option<mpsc::Sender<Piece>>,
    /// The end is among what waits, or has been sent.
    ended: bool,
}

impl Sink {
    /// Sends here from now on.
    pub(super) fn connect(&mut self, sender: mpsc::Sender<Piece>) {
        self.sender = Some(sender);
    }

    /// Sends nothing more; what reads the channel sees a body that broke off, unless its end was sent.
    pub(super) fn cut(&mut self) {
        self.waiting.clear();
        self.sender = None;
    }

    /// Breaks off behind what there is room for.
    pub(super) fn break_off(&mut self) {
        let Some(sender) = self.sender.take() else { return };
        for piece in self.waiting.drain(..).filter(|piece| !matches!(piece, Piece::End)) {
            if sender.try_send(piece).is_err() {
                return;
            }
        }
    }

    pub(super) fn push(&mut self, part: Part, end: bool) {
        match part {
            Part::Data(bytes) if bytes.is_empty() => {}
            Part::Data(bytes) => self.waiting.push_back(Piece::Data(bytes.into())),
            // Trailers that a filter has emptied are the end and nothing more.
            Part::Trailers(trailers) if trailers.is_empty() => {}
            Part::Trailers(trailers) => {
                self.waiting.push_back(Piece::Trailers(wire::trailers(&trailers)));
            }
            Part::Head(_) => {}
        }
        if end {
            self.waiting.push_back(Piece::End);
            self.ended = true;
        }
    }

    /// Whether something waits that can be sent.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() && self.sender.is_some()
    }

    /// Whether a reader that is gone has had all: one that knows the length does not wait for the end.
    pub(super) fn is_served(&self) -> bool {
        self.ended && !self.waiting.iter().any(|piece| matches!(piece, Piece::Data(_)))
    }

    /// Whether more may be read for it.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether all was sent.
    pub(super) fn is_done(&self) -> bool {
        self.ended && self.waiting.is_empty()
    }

    /// Sends one piece; false if nobody reads any more. May be dropped while it waits.
    pub(super) async fn send_one(&mut self) -> bool {
        let Some(sender) = &self.sender else { return std::future::pending().await };
        let Ok(permit) = sender.reserve().await else { return false };
        if let Some(piece) = self.waiting.pop_front() {
            permit.send(piece);
        }
        true
    }

    /// Sends one piece if one waits; false as soon as nobody reads any more. May be dropped while it waits.
    pub(super) async fn progress(&mut self) -> bool {
        if self.is_busy() {
            return self.send_one().await;
        }
        match &self.sender {
            Some(sender) => sender.closed().await,
            None => std::future::pending().await,
        }
        false
    }
}
