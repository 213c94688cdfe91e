//! What an exchange's surroundings decide.

use super::Side;
use crate::host::MAX_BODY_BYTES;

/// Envoy's `per_connection_buffer_limit_bytes`, unless it is configured: 1 MiB.
pub const DEFAULT_BUFFER_LIMIT_BYTES: usize = 1024 * 1024;

/// The window of an HTTP/2 stream, Envoy's, which is what Envoy holds of a body there, however small
/// `per_connection_buffer_limit_bytes` is: 16 MiB.
pub const HTTP2_WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// How an exchange is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowOptions {
    /// The most bytes of a body that are held, on each side; more than 64 MiB counts as that.
    pub buffer_limit_bytes: usize,
    /// Whether the client speaks HTTP/2, where the last piece of a body can say that it is the last. In
    /// HTTP/1.1 Envoy tells the end by one more piece, which is empty.
    pub is_downstream_http2: bool,
    /// As [`is_downstream_http2`](Self::is_downstream_http2), of the upstream and the response.
    pub is_upstream_http2: bool,
}

impl Default for FlowOptions {
    /// 1 MiB, HTTP/1.1 on both sides.
    fn default() -> Self {
        Self {
            buffer_limit_bytes: DEFAULT_BUFFER_LIMIT_BYTES,
            is_downstream_http2: false,
            is_upstream_http2: false,
        }
    }
}

impl FlowOptions {
    pub(super) fn limit(self) -> usize {
        self.buffer_limit_bytes.min(MAX_BODY_BYTES)
    }

    pub(super) fn ends_with_data(self, side: Side) -> bool {
        match side {
            Side::Request => self.is_downstream_http2,
            Side::Response => self.is_upstream_http2,
        }
    }
}
