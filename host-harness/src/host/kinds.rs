//! What a hostcall can name: maps, buffers, metrics, streams.

/// A map of a stream or of a callout's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapKind {
    /// 0
    RequestHeaders,
    /// 1
    RequestTrailers,
    /// 2
    ResponseHeaders,
    /// 3
    ResponseTrailers,
    /// 4
    GrpcInitialMetadata,
    /// 5
    GrpcTrailingMetadata,
    /// 6
    CallHeaders,
    /// 7
    CallTrailers,
}

/// A buffer of a stream, of a callout's reply or of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// 0
    RequestBody,
    /// 1
    ResponseBody,
    /// 2, TCP only
    DownstreamData,
    /// 3, TCP only
    UpstreamData,
    /// 4
    CallBody,
    /// 5
    GrpcMessage,
    /// 6
    VmConfiguration,
    /// 7
    PluginConfiguration,
    /// 8
    ForeignArguments,
}

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// 0
    Counter,
    /// 1
    Gauge,
    /// 2
    Histogram,
}

/// One direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// 0
    Request,
    /// 1
    Response,
    /// 2, TCP only
    Downstream,
    /// 3, TCP only
    Upstream,
}

impl std::fmt::Display for MapKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::RequestHeaders => "request headers",
            Self::RequestTrailers => "request trailers",
            Self::ResponseHeaders => "response headers",
            Self::ResponseTrailers => "response trailers",
            Self::GrpcInitialMetadata => "gRPC initial metadata",
            Self::GrpcTrailingMetadata => "gRPC trailing metadata",
            Self::CallHeaders => "call headers",
            Self::CallTrailers => "call trailers",
        })
    }
}

impl std::fmt::Display for BufferKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::RequestBody => "request body",
            Self::ResponseBody => "response body",
            Self::DownstreamData => "downstream data",
            Self::UpstreamData => "upstream data",
            Self::CallBody => "call body",
            Self::GrpcMessage => "gRPC message",
            Self::VmConfiguration => "VM configuration",
            Self::PluginConfiguration => "plugin configuration",
            Self::ForeignArguments => "foreign function's arguments",
        })
    }
}
