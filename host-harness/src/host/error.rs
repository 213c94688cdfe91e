//! Why a hostcall is refused. `abi` maps each reason to the status that the ABI has for it.

mod wasi;

use super::ForeignError;
pub use wasi::WasiError;

/// One rule that a hostcall broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is no such header, property, metric, call or buffer.
    #[error("not found")]
    NotFound,
    /// A property that is a group of others, or none at all.
    #[error("the property has no value of its own; name one of its parts")]
    PropertyGroup,
    /// A number that is no member of the enum.
    #[error("{0} is no {1} of the ABI")]
    UnknownNumber(u32, &'static str),
    /// The map cannot be read or changed now.
    #[error("the map is not available in this phase")]
    OutsidePhase,
    /// A range outside a buffer, or one that Envoy cannot replace.
    #[error("the range does not fit the buffer")]
    BadRange,
    /// A metric that cannot be changed or read in that way.
    #[error("the metric does not allow this operation")]
    MetricOperation,
    /// No context has that id.
    #[error("there is no context {0}")]
    NoSuchContext(u32),
    /// `http_call` to a cluster that is not configured.
    #[error("http_call to the unknown cluster {0:?}; name it among the plugin's clusters")]
    UnknownCluster(String),
    /// `http_call` to what is no address that the host can reach.
    #[error(
        "http_call to {0:?}, which is no ip:port that this host reaches; name it among the plugin's clusters"
    )]
    Unreachable(String),
    /// `http_call` without a header that every request has.
    #[error("http_call without the header {0}; it needs :method, :path and :authority")]
    MissingHeader(&'static str),
    /// A timeout above the largest positive 32-bit integer.
    #[error("a call with a negative timeout")]
    NegativeTimeout,
    /// `grpc_call` to what is neither a `GrpcService` message nor a configured cluster.
    #[error("grpc_call to {0:?}, neither a GrpcService message nor a known cluster")]
    UnknownService(String),
    /// `grpc_call` to a `GrpcService` message that names no configured cluster.
    #[error("grpc_call through a GrpcService message that names no known cluster")]
    ServiceWithoutCluster,
    /// A token that is none of a gRPC stream, nor of a call that could be cancelled.
    #[error("token {0} is none of a gRPC stream")]
    NoGrpcStream(u32),
    /// A pointer or a length outside the guest's memory, or an allocation that failed.
    #[error("a pointer outside the guest's memory")]
    Memory,
    /// The shared value was changed since it was read.
    #[error("the shared value was changed since it was read")]
    CasMismatch,
    /// A queue without messages.
    #[error("the queue is empty")]
    Empty,
    /// A property set again that was declared read-only.
    #[error("the property was declared read-only and has a value")]
    ReadOnly,
    /// `call_foreign_function` of a function that is not there.
    #[error("call_foreign_function of {0:?}, which neither Envoy has nor this plugin's foreign functions")]
    UnknownFunction(String),
    /// An expression that gives no value now.
    #[error("the expression {expression:?} has no value: {why}")]
    Evaluation {
        /// As the guest wrote it.
        expression: String,
        /// What is missing, or wrong.
        why: String,
    },
    /// A foreign function failed.
    #[error("foreign function {name}: {why}")]
    Foreign {
        /// The function's name.
        name: String,
        /// What it says.
        why: ForeignError,
    },
    /// A function that is not among those that the plugin is allowed.
    #[error("{0} is restricted: it is not among the plugin's allowed capabilities")]
    Restricted(&'static str),
    /// What Envoy's own host does not implement.
    #[error("{0} is not implemented by Envoy")]
    Unimplemented(&'static str),
    /// A hostcall made while the guest allocates for the host or initializes itself.
    #[error("hostcall during allocation or initialization")]
    NotNow,
    /// A hostcall that this host answers by ending the guest.
    #[error("{call}: {why}")]
    Fatal {
        /// The hostcall.
        call: &'static str,
        /// What the host says.
        why: &'static str,
    },
    /// A bound on what a guest may make the host keep.
    #[error("the guest's {0} exceed {1}")]
    Full(&'static str, usize),
    /// A function of WASI.
    #[error(transparent)]
    Wasi(#[from] WasiError),
}

impl HostError {
    /// Whether a person needs to read of it; the other reasons belong to normal operation.
    pub fn is_worth_a_line(&self) -> bool {
        match self {
            Self::UnknownCluster(_)
            | Self::Unreachable(_)
            | Self::MissingHeader(_)
            | Self::NegativeTimeout
            | Self::UnknownService(_)
            | Self::ServiceWithoutCluster
            | Self::UnknownFunction(_)
            | Self::Foreign { .. }
            | Self::ReadOnly
            | Self::Restricted(_)
            | Self::NotNow
            | Self::Full(..) => true,
            Self::NotFound
            | Self::UnknownNumber(..)
            | Self::PropertyGroup
            | Self::Evaluation { .. }
            | Self::OutsidePhase
            | Self::BadRange
            | Self::MetricOperation
            | Self::NoSuchContext(_)
            | Self::NoGrpcStream(_)
            | Self::Memory
            | Self::Unimplemented(_)
            | Self::CasMismatch
            | Self::Empty
            | Self::Wasi(_)
            | Self::Fatal { .. } => false,
        }
    }
}
