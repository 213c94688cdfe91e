//! What comes out of an exchange.

use crate::vm::HeaderMap;

/// What goes from the client to the upstream, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As HTTP/2 has it: `:method`, `:status` and the like in front.
    Head(HeaderMap),
    /// A piece of the body, empty only where it is the last.
    Data(Vec<u8>),
    /// Always the last.
    Trailers(HeaderMap),
}

/// What the proxy has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this on.
    Forward {
        /// Where it belongs to.
        side: Side,
        /// What is sent.
        part: Part,
        /// Whether nothing follows.
        end: bool,
    },
    /// The response does not come from the upstream: drop the call to it, and what it still sends. The
    /// response itself follows as [`Output::Forward`].
    Answered {
        /// Envoy's `response.code_details`.
        details: Vec<u8>,
    },
    /// End the exchange in the middle, on both sides. Nothing follows.
    Reset,
    /// Read no more of this side for now; what was read nevertheless is still taken.
    Stop(Side),
    /// Read this side again.
    Resume(Side),
}
