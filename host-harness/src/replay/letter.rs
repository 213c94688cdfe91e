//! A message on its way from one station to the next: what has left the one and has not come to the other.
//!
//! A body whose bytes were not recorded is zeros, which take no room however many they are.

use std::collections::VecDeque;

use crate::flow::Part;
use crate::host::HeaderMap;
use crate::traffic::Chunk;

/// The most bytes of a body that a proxy is given at once, as Envoy reads them.
const MAX_CHUNK_BYTES: u64 = 16 << 10;

/// A message, or what has come of it so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    pub(super) head: Option<HeaderMap>,
    pub(super) body: Body,
    pub(super) trailers: Option<HeaderMap>,
    /// Nothing follows the head.
    pub(super) is_head_only: bool,
    /// The last of it is here.
    pub(super) is_whole: bool,
}

/// The pieces of a body, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Body(VecDeque<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Zeros(u64),
    Bytes(Vec<u8>),
}

impl Letter {
    /// A whole message.
    pub(super) fn new(head: HeaderMap, body: Body, trailers: HeaderMap) -> Self {
        let trailers = (!trailers.is_empty()).then_some(trailers);
        let is_head_only = body.is_empty() && trailers.is_none();
        Self { head: Some(head), body, trailers, is_head_only, is_whole: true }
    }

    /// Puts what has left the station before.
    pub(super) fn put(&mut self, part: Part, end: bool) {
        self.is_whole |= end;
        match part {
            Part::Head(head) => {
                self.head = Some(head);
                self.is_head_only = end;
            }
            Part::Data(bytes) => self.body.push(bytes),
            Part::Trailers(trailers) => self.trailers = Some(trailers),
        }
    }

    /// The next part behind the head, and whether it is the last; none if nothing follows what was taken.
    pub(super) fn next(&mut self) -> Option<(Part, bool)> {
        if let Some(bytes) = self.body.pop() {
            return Some((Part::Data(bytes), self.body.is_empty() && self.trailers.is_none()));
        }
        self.trailers.take().map(|trailers| (Part::Trailers(trailers), true))
    }
}

impl Body {
    /// What was recorded of a body, or that many zeros.
    pub(super) fn recorded(chunks: Option<&[Chunk]>, bytes: u64) -> Self {
        let Some(chunks) = chunks else {
            return Self((bytes > 0).then_some(Piece::Zeros(bytes)).into_iter().collect());
        };
        let full = chunks.iter().filter(|chunk| !chunk.data.is_empty());
        Self(full.map(|chunk| Piece::Bytes(chunk.data.clone())).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next piece.
    fn pop(&mut self) -> Option<Vec<u8>> {
        let Some(Piece::Zeros(left)) = self.0.front_mut() else {
            return self.0.pop_front().map(|piece| match piece {
                Piece::Bytes(bytes) => bytes,
                Piece::Zeros(_) => Vec::new(),
            });
        };
        let size = MAX_CHUNK_BYTES.min(*left);
        *left -= size;
        if *left == 0 {
            self.0.pop_front();
        }
        Some(vec![0; usize::try_from(size).unwrap_or_default()])
    }

    /// An empty piece is one, too: it can be the last.
    fn push(&mut self, bytes: Vec<u8>) {
        let are_zeros = !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0);
        match self.0.back_mut() {
            Some(Piece::Zeros(count)) if are_zeros => *count += bytes.len() as u64,
            _ if are_zeros => self.0.push_back(Piece::Zeros(bytes.len() as u64)),
            _ => self.0.push_back(Piece::Bytes(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(mut letter: Letter) -> Vec<(usize, bool)> {
        let size = |part| match part {
            Part::Data(bytes) => bytes.len(),
            Part::Head(map) | Part::Trailers(map) => 1_000_000 + map.len(),
        };
        std::iter::from_fn(|| letter.next()).map(|(part, end)| (size(part), end)).collect()
    }

    fn letter(body: Body, trailers: usize) -> Letter {
        let trailers = (0..trailers).map(|number| (number.to_string(), "v"));
        Letter::new(HeaderMap::new(), body, HeaderMap::from_pairs(trailers))
    }

    #[test]
    fn a_message_comes_in_parts_of_which_one_is_the_last() {
        let zeros = |bytes| Body::recorded(None, bytes);
        let chunks = [Chunk::new("ab"), Chunk::new(""), Chunk::new("c")];
        assert_eq!(pieces(letter(zeros(0), 0)), []);
        assert_eq!(pieces(letter(zeros(0), 1)), [(1_000_001, true)]);
        assert_eq!(pieces(letter(zeros(16_384), 0)), [(16_384, true)]);
        assert_eq!(pieces(letter(zeros(16_385), 2)), [(16_384, false), (1, false), (1_000_002, true)]);
        assert_eq!(pieces(letter(Body::recorded(Some(&chunks), 3), 0)), [(2, false), (1, true)]);
        assert!(letter(zeros(0), 0).is_head_only && !letter(zeros(1), 0).is_head_only);
    }

    #[test]
    fn what_leaves_a_station_comes_to_the_next_as_it_left() {
        let mut letter = Letter::default();
        for part in [vec![0; 10], vec![0; 16_384], b"x".to_vec(), Vec::new()] {
            letter.put(Part::Data(part), false);
        }
        assert_eq!(letter.body.0.len(), 3, "zeros take no room");
        letter.put(Part::Data(Vec::new()), true);
        assert!(letter.is_whole && !letter.is_head_only);
        let expected = [(16_384, false), (10, false), (1, false), (0, false), (0, true)];
        assert_eq!(pieces(letter), expected);
    }
}
