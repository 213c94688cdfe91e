//! The ABI's enums: numbers to what they mean.

use crate::host::{BufferKind, Direction, HostError, LogLevel, MapKind, MetricKind};

pub(super) fn map_kind(number: u32) -> Result<MapKind, HostError> {
    Ok(match number {
        0 => MapKind::RequestHeaders,
        1 => MapKind::RequestTrailers,
        2 => MapKind::ResponseHeaders,
        3 => MapKind::ResponseTrailers,
        4 => MapKind::GrpcInitialMetadata,
        5 => MapKind::GrpcTrailingMetadata,
        6 => MapKind::CallHeaders,
        7 => MapKind::CallTrailers,
        _ => return Err(HostError::UnknownNumber(number, "map type")),
    })
}

pub(super) fn buffer_kind(number: u32) -> Result<BufferKind, HostError> {
    Ok(match number {
        0 => BufferKind::RequestBody,
        1 => BufferKind::ResponseBody,
        2 => BufferKind::DownstreamData,
        3 => BufferKind::UpstreamData,
        4 => BufferKind::CallBody,
        5 => BufferKind::GrpcMessage,
        6 => BufferKind::VmConfiguration,
        7 => BufferKind::PluginConfiguration,
        8 => BufferKind::ForeignArguments,
        _ => return Err(HostError::UnknownNumber(number, "buffer type")),
    })
}

pub(super) fn direction(number: u32) -> Result<Direction, HostError> {
    Ok(match number {
        0 => Direction::Request,
        1 => Direction::Response,
        2 => Direction::Downstream,
        3 => Direction::Upstream,
        _ => return Err(HostError::UnknownNumber(number, "stream type")),
    })
}

pub(super) fn metric_kind(number: u32) -> Result<MetricKind, HostError> {
    Ok(match number {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(HostError::UnknownNumber(number, "metric type")),
    })
}

pub(super) fn log_level(number: u32) -> Result<LogLevel, HostError> {
    Ok(match number {
        0 => LogLevel::Trace,
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        4 => LogLevel::Error,
        5 => LogLevel::Critical,
        _ => return Err(HostError::UnknownNumber(number, "log level")),
    })
}
