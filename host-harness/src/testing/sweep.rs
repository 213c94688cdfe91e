//! The same exchange in pieces of every size: a filter must not care where a body was cut.

use super::request::Plan;
use super::run::Run;
use super::{Exchange, TestHost};
use crate::counted::counted;
use crate::vm::VmError;

/// Most pieces that a body is cut into.
const MOST_PIECES: usize = 16_384;

/// How bodies are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunking {
    /// Pieces of so many bytes.
    Pieces(usize),
    /// All at once, then an empty piece.
    EmptyEnd,
    /// Halves, with an empty piece between them.
    EmptyMiddle,
}

/// What differs, and how the body was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// How: `pieces of 1 byte`.
    pub chunking: String,
    /// What: `the response's body`.
    pub what: &'static str,
    /// With the body in one piece.
    pub expected: String,
    /// With the body cut so.
    pub found: String,
}

/// Why a sweep did not end well.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A chunking made a difference.
    #[error("in {}, {} differs: {} in one piece, {} now", .0.chunking, .0.what, .0.expected, .0.found)]
    Difference(Box<Difference>),
    /// A host could not be started, or failed.
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// Sends the exchange in one piece, then in others; gives back the first one.
pub(super) fn sweep(host: &TestHost, plan: &Plan) -> Result<Exchange, SweepError> {
    let send = |plan: &Plan| host.fresh().and_then(|mut host| Run::of(&mut host, plan));
    let longest = body(&plan.request.chunks).len().max(body(&plan.response.chunks).len());
    let whole = send(&cut(plan, Chunking::Pieces(longest.max(1))))?;
    for chunking in chunkings(longest) {
        let found = send(&cut(plan, chunking))?;
        if let Some((what, expected, found)) = difference(&whole, &found) {
            let chunking = chunking.to_string();
            return Err(SweepError::Difference(Box::new(Difference { chunking, what, expected, found })));
        }
    }
    Ok(whole)
}

/// One byte and powers of two below the body's size, smallest first, and empty pieces.
fn chunkings(longest: usize) -> Vec<Chunking> {
    let sizes = std::iter::successors(Some(1_usize), |size| size.checked_mul(2));
    let sizes =
        sizes.take_while(|size| *size < longest).filter(|size| longest.div_ceil(*size) <= MOST_PIECES);
    sizes.map(Chunking::Pieces).chain([Chunking::EmptyEnd, Chunking::EmptyMiddle]).collect()
}

fn cut(plan: &Plan, chunking: Chunking) -> Plan {
    let mut plan = plan.clone();
    for draft in [&mut plan.request, &mut plan.response] {
        let body = body(&draft.chunks);
        // A message without a body stays one: its head says that it is all.
        if !draft.chunks.is_empty() {
            draft.chunks = chunking.of(&body);
        }
    }
    plan
}

fn body(chunks: &[Vec<u8>]) -> Vec<u8> {
    chunks.concat()
}

impl Chunking {
    fn of(self, body: &[u8]) -> Vec<Vec<u8>> {
        let whole = || vec![body.to_vec()];
        match self {
            Self::Pieces(_) if body.is_empty() => whole(),
            Self::Pieces(size) => body.chunks(size.max(1)).map(<[u8]>::to_vec).collect(),
            Self::EmptyEnd => vec![body.to_vec(), Vec::new()],
            Self::EmptyMiddle => {
                let (first, second) = body.split_at(body.len() / 2);
                vec![first.to_vec(), Vec::new(), second.to_vec()]
            }
        }
    }
}

impl std::fmt::Display for Chunking {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pieces(size) => write!(formatter, "pieces of {}", counted(*size as u64, "byte")),
            Self::EmptyEnd => formatter.write_str("one piece and an empty one"),
            Self::EmptyMiddle => formatter.write_str("halves with an empty piece between them"),
        }
    }
}

/// The first thing that differs, and both of it.
fn difference(whole: &Exchange, other: &Exchange) -> Option<(&'static str, String, String)> {
    let calls = |exchange: &Exchange| {
        let calls = exchange.callouts.iter();
        calls.map(|call| (call.upstream.clone(), call.kind.clone())).collect::<Vec<_>>()
    };
    let messages = |exchange: &Exchange| {
        [exchange.request.clone(), exchange.response.clone()].map(Option::unwrap_or_default)
    };
    let ([request, response], [other_request, other_response]) = (messages(whole), messages(other));
    let pairs = [
        ("what answered the client", shown(&whole.answered), shown(&other.answered)),
        ("whether the exchange was reset", shown(&whole.is_reset), shown(&other.is_reset)),
        ("what the filter holds", shown(&whole.held), shown(&other.held)),
        ("the filter's failure", shown(&whole.failure), shown(&other.failure)),
        ("the request's head", shown(&request.head), shown(&other_request.head)),
        ("the request's body", text(&request.body), text(&other_request.body)),
        ("the request's trailers", shown(&request.trailers), shown(&other_request.trailers)),
        ("the response's head", shown(&response.head), shown(&other_response.head)),
        ("the response's body", text(&response.body), text(&other_response.body)),
        ("the response's trailers", shown(&response.trailers), shown(&other_response.trailers)),
        ("the calls that the filter made", shown(&calls(whole)), shown(&calls(other))),
        ("the spans that it exported", shown(&whole.spans), shown(&other.spans)),
    ];
    pairs.into_iter().find(|(_, expected, found)| expected != found)
}

fn shown(thing: &impl std::fmt::Debug) -> String {
    format!("{thing:?}")
}

fn text(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(bytes))
}
