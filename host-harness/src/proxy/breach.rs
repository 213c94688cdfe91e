//! How an upstream broke off, in Envoy's words.

use std::error::Error;

/// Why a response did not come to its end, or not to its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// There was no connection to be had.
    Connect,
    /// The connection ended.
    Termination,
    /// Over HTTP/2 the stream was reset.
    Reset,
    /// What came is no HTTP.
    Protocol,
}

impl Breach {
    /// Of a request that is not answered.
    pub(super) fn before_head(error: &hyper::Error) -> Self {
        match http2(error) {
            Some(error) => Self::of_http2(error),
            None if error.is_parse() => Self::Protocol,
            None => Self::Termination,
        }
    }

    /// Of a body: over HTTP/1.1 one that ends too early is no message.
    pub(super) fn within_body(error: &hyper::Error) -> Self {
        http2(error).map_or(Self::Protocol, Self::of_http2)
    }

    fn of_http2(error: &h2::Error) -> Self {
        match (error.is_reset(), error.is_remote()) {
            (true, true) => Self::Reset,
            (true, false) => Self::Protocol,
            (false, _) => Self::Termination,
        }
    }

    /// As `response.code_details` and the answer's text have it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Connect => "remote_connection_failure",
            Self::Termination => "connection_termination",
            Self::Reset => "remote_reset",
            Self::Protocol => "protocol_error",
        }
    }

    /// `response.flags`, as Envoy's `CoreResponseFlag` counts them.
    pub(super) fn flags(self) -> u64 {
        match self {
            Self::Reset => 1 << 4,
            Self::Connect => 1 << 5,
            Self::Termination => 1 << 6,
            Self::Protocol => 1 << 23,
        }
    }
}

fn http2(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}
