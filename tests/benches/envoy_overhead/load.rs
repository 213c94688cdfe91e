//! What clients ask for: requests with few or many headers, and long bodies in few or many chunks.

use crate::proxy::CONNECTIONS;

/// One kind of request.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Headers of the request, `host` and `traceparent` among them.
    headers: usize,
    pub(crate) body: Body,
}

/// What a message carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// A GET and a short answer.
    Small,
    /// [`STREAMED_BYTES`] there and back, each chunk sent when the one before has come back: every one of
    /// them passes the proxy alone.
    Streamed { chunks: usize },
}

/// The length of a streamed body.
pub(crate) const STREAMED_BYTES: usize = 1 << 20;
/// A streamed request costs so much more that there are so many times fewer of them.
pub(crate) const STREAMED_WEIGHT: usize = 50;

pub(crate) const LOADS: [Load; 4] = [
    Load { name: "headers-8", title: "small GET, 8 headers", headers: 8, body: Body::Small },
    Load { name: "headers-40", title: "small GET, 40 headers", headers: 40, body: Body::Small },
    Load {
        name: "chunks-16",
        title: "1 MiB there and back in 16 chunks",
        headers: 8,
        body: Body::Streamed { chunks: 16 },
    },
    Load {
        name: "chunks-256",
        title: "1 MiB there and back in 256 chunks",
        headers: 8,
        body: Body::Streamed { chunks: 256 },
    },
];

/// As a browser or a client library sends them.
const COMMON: [(&str, &str); 5] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-language", "en-US,en;q=0.5"),
    ("cache-control", "no-cache"),
    ("x-request-origin", "checkout-frontend"),
];
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

impl Load {
    /// How many requests stand for so many small ones.
    pub(crate) fn requests(&self, small: usize) -> usize {
        match self.body {
            Body::Small => small,
            Body::Streamed { .. } => small / STREAMED_WEIGHT,
        }
    }

    /// How many requests a variant gets before it is the next one's turn: few, so that what disturbs the
    /// machine for a while disturbs all alike.
    pub(crate) fn slice(&self) -> usize {
        match self.body {
            Body::Small => 100,
            Body::Streamed { .. } => CONNECTIONS,
        }
    }

    /// A request's head, the sampled flag set or not.
    pub(crate) fn head(&self, sampled: bool) -> Vec<u8> {
        let (method, last) = match self.body {
            Body::Small => ("GET", ("accept-encoding", "gzip, deflate")),
            Body::Streamed { .. } => ("POST", ("transfer-encoding", "chunked")),
        };
        let mut head = format!("{method} /api/products/42?view=full HTTP/1.1\r\nhost: shop.example:8080\r\n");
        for (name, value) in COMMON.into_iter().chain([last]) {
            head += &format!("{name}: {value}\r\n");
        }
        // Those above, `host` and `traceparent` are eight.
        for number in 8..self.headers {
            head += &format!("x-application-{number}: value-of-header-{number}\r\n");
        }
        head += &format!("traceparent: {TRACEPARENT}-{:02x}\r\n\r\n", u8::from(sampled));
        head.into_bytes()
    }
}
