//! Why a request is not taken, and how either protocol says so.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#failures>

use std::time::Duration;

use hyper::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::store::StoreError;

/// When those who are sent away are to come again.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// Why a request is not taken: nothing of it is kept, but for [`Stalled`](Self::Stalled), where that is open.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("content-type is {0:?}, expected application/x-protobuf or application/json")]
    ContentType(String),
    #[error("the encoding is {0:?}, expected gzip, identity or none")]
    Encoding(String),
    #[error("the request needs this receiver's token: authorization: Bearer TOKEN")]
    Token,
    #[error("{0} is not here, expected {1}")]
    Path(String, &'static str),
    #[error("the method is {0}, expected POST")]
    Method(String),
    #[error("the service {0:?} is not here")]
    Service(String),
    #[error("the receiver holds as many requests as it has memory for; send this one again")]
    Busy,
    #[error("the request did not arrive within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the spans could not be stored in time; send them again")]
    Stalled,
    #[error("the spans could not be stored: {0}")]
    Store(#[from] StoreError),
}

impl Refusal {
    pub(super) fn too_large(limit: usize) -> Self {
        Self::TooLarge(format!("the request has more than {limit} bytes, which is the most that is taken"))
    }

    /// A handful of words for the metrics, and what the protocols call it.
    fn names(&self) -> (&'static str, StatusCode, Code) {
        match self {
            Self::Malformed(_) => ("malformed", StatusCode::BAD_REQUEST, Code::InvalidArgument),
            // Without RetryInfo, that is for good.
            Self::TooLarge(_) => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
            Self::ContentType(_) => {
                ("content_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument)
            }
            Self::Encoding(_) => ("encoding", StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented),
            Self::Token => ("token", StatusCode::UNAUTHORIZED, Code::Unauthenticated),
            Self::Path(..) => ("path", StatusCode::NOT_FOUND, Code::Unimplemented),
            Self::Method(_) => ("method", StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented),
            Self::Service(_) => ("service", StatusCode::NOT_FOUND, Code::NotFound),
            Self::Busy => ("busy", StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted),
            Self::Slow(_) => ("slow", StatusCode::REQUEST_TIMEOUT, Code::DeadlineExceeded),
            Self::Stalled => ("stalled", StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
            Self::Store(_) => ("store", StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        }
    }

    /// What the metrics call it.
    pub(super) fn reason(&self) -> &'static str {
        self.names().0
    }

    pub(super) fn http(&self) -> StatusCode {
        self.names().1
    }

    /// After how long to come again; `None` for what will not go better then.
    pub(super) fn come_again(&self) -> Option<Duration> {
        matches!(self, Self::Busy | Self::Stalled | Self::Store(_)).then_some(COME_AGAIN)
    }

    /// As gRPC says it, with its details.
    pub(super) fn grpc(&self) -> Status {
        let (_, _, code) = self.names();
        match self.come_again() {
            Some(wait) => {
                let details = ErrorDetails::with_retry_info(Some(wait));
                Status::with_error_details(code, self.to_string(), details)
            }
            None => Status::new(code, self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The codes that OTLP says are tried again, the one with RetryInfo alone included.
    #[test]
    fn senders_come_again_exactly_where_it_helps() {
        for (refusal, again) in [
            (Refusal::Malformed(String::new()), false),
            (Refusal::too_large(1), false),
            (Refusal::ContentType(String::new()), false),
            (Refusal::Encoding(String::new()), false),
            (Refusal::Token, false),
            (Refusal::Path(String::new(), ""), false),
            (Refusal::Method(String::new()), false),
            (Refusal::Service(String::new()), false),
            (Refusal::Busy, true),
            (Refusal::Stalled, true),
            (Refusal::Store(StoreError::Closed), true),
        ] {
            let status = refusal.grpc();
            let asked = status.get_details_retry_info().is_some();
            assert_eq!(asked, again, "{refusal:?}");
            assert_eq!(matches!(refusal.http().as_u16(), 429 | 502..=504), again, "{refusal:?}");
            assert_eq!(refusal.come_again().is_some(), again, "{refusal:?}");
            let unasked = matches!(
                status.code(),
                Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Aborted
                    | Code::OutOfRange
                    | Code::Unavailable
                    | Code::DataLoss
            );
            assert!(again || !unasked, "{refusal:?}: {:?} is tried again", status.code());
        }
    }
}
