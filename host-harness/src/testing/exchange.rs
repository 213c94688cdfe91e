//! What became of an exchange.

use super::{Callout, Side};
use crate::collect::SpanRecord;
use crate::host::{CallbackRecord, HeaderMap};
use crate::vm::LogLine;

/// What became of an exchange: what each side got, and what the filter did meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// What the upstream got; `None` if not even a head.
    pub request: Option<Message>,
    /// What the client got; `None` if not even a head.
    pub response: Option<Message>,
    /// `response.code_details` of a response that did not come from the upstream.
    pub answered: Option<String>,
    /// The exchange was reset.
    pub is_reset: bool,
    /// The side that the filter held, and did not let go while the host had [`patience`](super::TestHostBuilder::patience).
    pub held: Option<Side>,
    /// The filter failed in it, or was not there any more.
    pub failure: Option<String>,
    /// What was logged meanwhile.
    pub logs: Vec<LogLine>,
    /// Calls made meanwhile.
    pub callouts: Vec<Callout>,
    /// Spans exported meanwhile.
    pub spans: Vec<SpanRecord>,
    /// The stream's callbacks with their hostcalls.
    pub callbacks: Vec<CallbackRecord>,
}

/// A request or a response as somebody got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// With `:method` or `:status` and the like in front.
    pub head: HeaderMap,
    /// All of it that came.
    pub body: Vec<u8>,
    /// If there were any.
    pub trailers: Option<HeaderMap>,
    /// Nothing is missing.
    pub is_complete: bool,
}

/// What a callback said is to become of what it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Continue,
    /// It is held.
    Pause,
    /// The callback trapped, or was ended.
    Failed,
}

impl Exchange {
    /// The actions of the callbacks that have one, in order: `("proxy_on_request_headers", Continue)`.
    pub fn actions(&self) -> Vec<(&'static str, Action)> {
        let of_messages = self.callbacks.iter().filter(|callback| {
            callback.name.starts_with("proxy_on_request_") || callback.name.starts_with("proxy_on_response_")
        });
        of_messages
            .map(|callback| {
                let action = match callback.returned.as_deref() {
                    None => Action::Failed,
                    Some("1" | "2" | "3") => Action::Pause,
                    Some(_) => Action::Continue,
                };
                (callback.name, action)
            })
            .collect()
    }

    /// The response's status; 0 if there is none.
    pub fn status(&self) -> u16 {
        let status = self.response.as_ref().and_then(|response| response.head.first(":status"));
        status.and_then(|status| std::str::from_utf8(status).ok()?.parse().ok()).unwrap_or_default()
    }

    /// What the client got, and what the upstream.
    pub(super) fn message(&self, side: Side) -> Option<&Message> {
        match side {
            Side::Request => self.request.as_ref(),
            Side::Response => self.response.as_ref(),
        }
    }
}
