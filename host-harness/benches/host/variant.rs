//! What is measured.

use std::fmt;

use crate::bare::Bare;
use crate::checked::Checked;
use crate::guests;
use crate::rounds::Request;
use crate::traced::Traced;

/// A filter in a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The no-op filter, called directly.
    NoopBare,
    /// The no-op filter in the checked host.
    NoopChecked,
    /// Two headers read, one set; by functions of the host that do nothing else.
    HeadersBare,
    /// The same in the checked host.
    HeadersChecked,
    /// Our filter, a request without context.
    Untraced,
    /// Our filter, a context that is not sampled.
    Unsampled,
    /// Our filter, a sampled context: two spans, and their export.
    Sampled,
}

impl Variant {
    pub(crate) const ALL: [Self; 7] = [
        Self::NoopBare,
        Self::NoopChecked,
        Self::HeadersBare,
        Self::HeadersChecked,
        Self::Untraced,
        Self::Unsampled,
        Self::Sampled,
    ];

    /// Where it stands in [`ALL`](Self::ALL).
    pub(crate) fn place(self) -> usize {
        self as usize
    }

    /// Starts its VM.
    pub(crate) fn start(self) -> Request {
        match self {
            Self::NoopBare => Bare::start(&guests::wasm("noop")).into_requests(),
            Self::NoopChecked => Checked::start(&guests::wasm("noop")).into_requests(),
            Self::HeadersBare => Bare::start(&guests::wasm("headers")).into_requests(),
            Self::HeadersChecked => Checked::start(&guests::wasm("headers")).into_requests(),
            Self::Untraced => Traced::start(None).into_requests(),
            Self::Unsampled => Traced::start(Some("00")).into_requests(),
            Self::Sampled => Traced::start(Some("01")).into_requests(),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoopBare => "noop, bare wasmtime",
            Self::NoopChecked => "noop, checked host",
            Self::HeadersBare => "headers, bare wasmtime",
            Self::HeadersChecked => "headers, checked host",
            Self::Untraced => "meshspan, no context",
            Self::Unsampled => "meshspan, not sampled",
            Self::Sampled => "meshspan, sampled and exported",
        })
    }
}
