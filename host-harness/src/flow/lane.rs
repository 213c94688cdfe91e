//! One side of an exchange: what of it is held, and what waits behind that.

use crate::vm::HeaderMap;

/// What the guest holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Held {
    /// All that came was let go.
    #[default]
    Nothing,
    /// The head, and everything behind it.
    Head(Excess),
    /// What of the body the VM keeps.
    Body(Excess),
    /// The trailers, and the body if that was held before them.
    Trailers { with_body: bool },
}

/// What becomes of a body that is held and more than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// 413 or 500 answers.
    Refused,
    /// Reading stops.
    Stops,
}

/// A request's or a response's way through the filter.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) held: Held,
    /// The head was shown.
    pub(super) has_come: bool,
    /// The last part came from the wire.
    pub(super) ended: bool,
    /// The body behind a held head; none if no piece of it came, which is not the same as an empty one.
    pub(super) waiting: Option<Vec<u8>>,
    /// The trailers behind a held head.
    pub(super) trailers: Option<HeaderMap>,
    /// Reading was stopped.
    pub(super) is_stopped: bool,
    /// The head was sent on.
    pub(super) has_begun: bool,
    /// The last part was sent on.
    pub(super) is_sent: bool,
}

impl Lane {
    /// Keeps bytes behind a held head; says whether they are more than the limit.
    pub(super) fn wait(&mut self, bytes: Vec<u8>, limit: usize) -> bool {
        let waiting = self.waiting.get_or_insert_default();
        if waiting.is_empty() {
            *waiting = bytes;
        } else {
            waiting.extend_from_slice(&bytes);
        }
        waiting.len() > limit
    }

    /// Says whether reading has to stop now, since what is held is too much.
    pub(super) fn stop(&mut self) -> bool {
        !self.ended && !std::mem::replace(&mut self.is_stopped, true)
    }
}
