//! The corpus of the differential tests: exchanges of every shape that two hosts could see differently, as a
//! table in Rust, and as a recording in JSON Lines that is made from it.
//!
//! `UPDATE_GOLDEN=1 cargo test --release -p meshspan -p meshspan-tests --test all corpus` writes the recording.

mod bodies;
mod context;
mod grpc;
mod heads;
mod targets;

use meshspan::traffic::jsonl::JsonLines;
use meshspan::traffic::{Chunk, Exchange, HeaderValue, Request, Response, Timing};

/// The recording.
const RECORDING: &[u8] = include_bytes!("../recordings/corpus.jsonl");

/// Every exchange of the recording.
pub fn recorded() -> Vec<Exchange> {
    JsonLines::new(RECORDING).map(|exchange| exchange.expect("a recording of ours")).collect()
}

/// Every exchange of the table.
pub fn table() -> Vec<Exchange> {
    let all = [heads::all(), targets::all(), bodies::all(), grpc::all(), context::all()];
    all.into_iter().flatten().enumerate().map(|(place, row)| row.exchange(place + 1)).collect()
}

/// One row of the table: `row("a reason").method("PUT").sends(&["a", "b"]).status(201)`.
#[derive(Clone, Debug)]
struct Row {
    reason: String,
    request: Request,
    response: Response,
}

/// A GET that is answered with 200 and a short text.
fn row(reason: impl Into<String>) -> Row {
    let request = Request {
        method: "GET".to_owned(),
        scheme: "http".to_owned(),
        authority: "emoji-svc.emojivoto:8080".to_owned(),
        path: "/api/list".to_owned(),
        ..Request::default()
    };
    let response = Response { status: 200, ..Response::default() };
    let row = Row { reason: reason.into(), request, response };
    row.answer_field("content-type", "text/plain").answers(&["done\n"])
}

impl Row {
    fn method(mut self, method: &str) -> Row {
        method.clone_into(&mut self.request.method);
        self
    }

    fn path(mut self, path: &str) -> Row {
        path.clone_into(&mut self.request.path);
        self
    }

    fn authority(mut self, authority: &str) -> Row {
        authority.clone_into(&mut self.request.authority);
        self
    }

    fn field(mut self, name: &str, value: impl Into<HeaderValue>) -> Row {
        self.request.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The request's body, piece by piece.
    fn sends(mut self, pieces: &[&str]) -> Row {
        (self.request.body, self.request.body_bytes) = body(pieces);
        self
    }

    fn trailer(mut self, name: &str, value: impl Into<HeaderValue>) -> Row {
        self.request.trailers.push((name.to_owned(), value.into()));
        self
    }

    fn status(mut self, status: u16) -> Row {
        self.response.status = status;
        self
    }

    fn answer_field(mut self, name: &str, value: impl Into<HeaderValue>) -> Row {
        self.response.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The response's body, piece by piece; none at all for no pieces.
    fn answers(mut self, pieces: &[&str]) -> Row {
        (self.response.body, self.response.body_bytes) = body(pieces);
        self
    }

    fn answer_trailer(mut self, name: &str, value: impl Into<HeaderValue>) -> Row {
        self.response.trailers.push((name.to_owned(), value.into()));
        self
    }

    fn exchange(self, number: usize) -> Exchange {
        let start = format!("2026-11-22T05:{:02}:{:02}Z", number / 60, number % 60);
        let exchange = Exchange {
            id: format!("{number}: {}", self.reason),
            parent: None,
            source: "web".to_owned(),
            destination: "emoji".to_owned(),
            start: serde_json::from_value(start.into()).expect("an instant"),
            request: self.request,
            response: self.response,
            timing_us: Timing { request_end: 40, response_start: 900, response_end: 1000 },
        };
        exchange.check().unwrap_or_else(|error| panic!("{}: {error}", exchange.id));
        exchange
    }
}

fn body(pieces: &[&str]) -> (Option<Vec<Chunk>>, u64) {
    let chunks = pieces.iter().map(|piece| Chunk::new(*piece)).collect();
    (Some(chunks), pieces.iter().map(|piece| piece.len() as u64).sum())
}
