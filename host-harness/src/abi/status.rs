//! What a hostcall returns, and which reason gives which status.

use crate::host::{ForeignError, HostError};

/// The ABI's status numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// There is no such thing.
    NotFound = 1,
    /// An argument is not allowed, or not now.
    BadArgument = 2,
    /// A value could not be serialized.
    SerializationFailure = 3,
    /// A value could not be parsed.
    ParseFailure = 4,
    /// A pointer outside the guest's memory, or an allocation that failed.
    InvalidMemoryAccess = 6,
    /// A queue has nothing.
    Empty = 7,
    /// A shared value was changed since it was read.
    CasMismatch = 8,
    /// The host could not do it.
    InternalFailure = 10,
    /// The host does not offer it.
    Unimplemented = 12,
}

impl Status {
    /// The name of a number, as the SDKs have it.
    pub(super) fn name(number: u32) -> &'static str {
        match number {
            0 => "OK",
            1 => "NotFound",
            2 => "BadArgument",
            3 => "SerializationFailure",
            4 => "ParseFailure",
            6 => "InvalidMemoryAccess",
            7 => "Empty",
            8 => "CasMismatch",
            10 => "InternalFailure",
            12 => "Unimplemented",
            _ => "no status",
        }
    }
}

impl From<&HostError> for Status {
    /// The statuses that Envoy gives. What is not offered yet is an internal failure and not
    /// [`Unimplemented`](Self::Unimplemented), a number that the Rust SDK 0.2.5 takes for undefined behaviour.
    fn from(error: &HostError) -> Self {
        match error {
            HostError::NotFound
            | HostError::UnknownFunction(_)
            | HostError::Foreign { why: ForeignError::NotFound(_), .. } => Self::NotFound,
            HostError::UnknownNumber(..)
            | HostError::OutsidePhase
            | HostError::BadRange
            | HostError::MetricOperation
            | HostError::NoSuchContext(_)
            | HostError::UnknownCluster(_)
            | HostError::MissingHeader(_)
            | HostError::NegativeTimeout
            | HostError::NoGrpcStream(_)
            | HostError::ReadOnly
            | HostError::Foreign { why: ForeignError::BadArgument(_), .. } => Self::BadArgument,
            HostError::PropertyGroup | HostError::Foreign { why: ForeignError::Serialization(_), .. } => {
                Self::SerializationFailure
            }
            HostError::Empty => Self::Empty,
            HostError::UnknownService(_) => Self::ParseFailure,
            HostError::Memory => Self::InvalidMemoryAccess,
            HostError::CasMismatch => Self::CasMismatch,
            HostError::Unimplemented(_) => Self::Unimplemented,
            HostError::NotNow
            | HostError::ServiceWithoutCluster
            | HostError::Restricted(_)
            | HostError::Full(..)
            | HostError::Evaluation { .. }
            | HostError::Foreign { why: ForeignError::Internal(_), .. }
            | HostError::Unreachable(_)
            | HostError::Wasi(_)
            | HostError::Fatal { .. } => Self::InternalFailure,
        }
    }
}
