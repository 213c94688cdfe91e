//! The head of a request or response as it left a proxy, for those who compare.

use crate::host::HeaderMap;

/// Which way a head goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// To the destination.
    Request,
    /// Back to the source.
    Response,
}

/// One head at one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The exchange's id.
    pub exchange: String,
    /// Such as `web inbound`.
    pub proxy: String,
    /// The request's or the response's.
    pub side: Side,
    /// As it came to the proxy.
    pub given: HeaderMap,
    /// As it left it.
    pub left: HeaderMap,
}
