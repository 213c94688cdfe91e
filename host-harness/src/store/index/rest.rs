//! What the indexer knows of a trace, as bytes: a trace that comes again and again is not made anew from its
//! requests each time.

use prost::Message;

use super::super::filter::Token;
use super::super::summary::Glance;
use super::traces::Trace;
use crate::time::Timestamp;
use crate::view::Bond;

/// A trace at rest.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Rest {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<RestingSpan>,
    #[prost(fixed64, repeated, tag = "2")]
    tokens: Vec<u64>,
    /// Ids and kinds of the spans that are known.
    #[prost(fixed64, repeated, tag = "3")]
    seen: Vec<u64>,
    #[prost(int32, repeated, tag = "4")]
    kinds: Vec<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RestingSpan {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(fixed64, optional, tag = "2")]
    parent: Option<u64>,
    #[prost(fixed64, tag = "3")]
    start_unix_nano: u64,
    #[prost(fixed64, tag = "4")]
    end_unix_nano: u64,
    #[prost(int64, tag = "5")]
    service: i64,
    #[prost(int64, tag = "6")]
    operation: i64,
    #[prost(bool, tag = "7")]
    failed: bool,
}

impl Rest {
    pub(super) fn of(trace: &Trace) -> Self {
        Self {
            spans: trace.spans.iter().map(RestingSpan::of).collect(),
            tokens: trace.tokens.iter().map(|token| token.number()).collect(),
            seen: trace.seen.iter().map(|(id, _)| u64::from_be_bytes(*id)).collect(),
            kinds: trace.seen.iter().map(|(_, kind)| *kind).collect(),
        }
    }

    /// Gives a trace what it had.
    pub(super) fn wake(self, trace: &mut Trace) {
        trace.spans = self.spans.iter().map(RestingSpan::glance).collect();
        trace.tokens = self.tokens.into_iter().map(Token::from_number).collect();
        trace.seen = self.seen.into_iter().map(u64::to_be_bytes).zip(self.kinds).collect();
    }
}

impl RestingSpan {
    fn of(glance: &Glance) -> Self {
        let Glance { bond, service, operation, failed } = *glance;
        Self {
            id: u64::from_be_bytes(bond.span_id),
            parent: bond.parent.map(u64::from_be_bytes),
            start_unix_nano: bond.start.as_unix_nanos(),
            end_unix_nano: bond.end.as_unix_nanos(),
            service,
            operation,
            failed,
        }
    }

    fn glance(&self) -> Glance {
        let bond = Bond {
            span_id: self.id.to_be_bytes(),
            parent: self.parent.map(u64::to_be_bytes),
            start: Timestamp::from_unix_nanos(self.start_unix_nano),
            end: Timestamp::from_unix_nanos(self.end_unix_nano),
        };
        Glance { bond, service: self.service, operation: self.operation, failed: self.failed }
    }
}
