//! Messages as they left a proxy, for those who compare.

use std::hash::{DefaultHasher, Hasher};

use crate::flow::{Part, Side};
use crate::host::HeaderMap;

/// A request or a response, as it came to a proxy and as it left it.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The exchange's id.
    pub exchange: String,
    /// Such as `web inbound`.
    pub proxy: String,
    /// The request's or the response's.
    pub side: Side,
    /// The head that came to it; none of a response that it made itself.
    pub given: HeaderMap,
    /// The head that left it.
    pub head: HeaderMap,
    /// The body that left it.
    pub body: Measured,
    /// The trailers that left it.
    pub trailers: HeaderMap,
    /// Whether its last part left, too.
    pub is_whole: bool,
}

/// What is kept of a body.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    bytes: u64,
    hasher: DefaultHasher,
}

impl Measured {
    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same for the same bytes, in whatever pieces they came. Not for other programs' eyes.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.hasher.write(piece);
    }
}

/// Both sides of a pass while they pass.
#[derive(Debug, Default)]
pub(super) struct Watch {
    given: [HeaderMap; 2],
    left: [Option<(HeaderMap, Measured)>; 2],
}

/// Where finished messages go: exchange, proxy and the list.
pub(super) struct Book<'e> {
    pub(super) exchange: &'e str,
    pub(super) proxy: String,
    pub(super) passed: &'e mut Vec<Passed>,
}

impl Watch {
    /// A head comes.
    pub(super) fn came(&mut self, side: Side, head: &HeaderMap) {
        let [request, response] = &mut self.given;
        *(if side == Side::Request { request } else { response }) = head.clone();
    }

    /// A part leaves.
    pub(super) fn left(&mut self, side: Side, part: &Part, end: bool, book: Book<'_>) {
        let [request, response] = &mut self.left;
        let place = if side == Side::Request { request } else { response };
        let mut trailers = HeaderMap::new();
        match (part, place.as_mut()) {
            (Part::Head(head), _) => *place = Some((head.clone(), Measured::default())),
            (Part::Data(bytes), Some((_, body))) => body.add(bytes),
            (Part::Trailers(map), _) => trailers = map.clone(),
            (Part::Data(_), None) => {}
        }
        if end {
            self.write(side, trailers, true, book);
        }
    }

    /// Nothing more leaves on this side.
    pub(super) fn ended(&mut self, side: Side, book: Book<'_>) {
        self.write(side, HeaderMap::new(), false, book);
    }

    fn write(&mut self, side: Side, trailers: HeaderMap, is_whole: bool, book: Book<'_>) {
        let ([request, response], [given_request, given_response]) = (&mut self.left, &mut self.given);
        let (left, given) = match side {
            Side::Request => (request, given_request),
            Side::Response => (response, given_response),
        };
        let Some((head, body)) = left.take() else { return };
        let Book { exchange, proxy, passed } = book;
        let (exchange, given) = (exchange.to_owned(), std::mem::take(given));
        passed.push(Passed { exchange, proxy, side, given, head, body, trailers, is_whole });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_body_do_not_matter_and_its_bytes_do() {
        let measured = |pieces: &[&str]| {
            let mut measured = Measured::default();
            pieces.iter().for_each(|piece| measured.add(piece.as_bytes()));
            (measured.bytes(), measured.digest())
        };
        assert_eq!(measured(&["ab", "", "cdefghijklm"]), measured(&["abcdefgh", "ijklm"]));
        assert_ne!(measured(&["ab"]), measured(&["ac"]));
    }
}
