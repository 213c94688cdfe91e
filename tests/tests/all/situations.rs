//! Traffic that a proxy may meet, in a real Envoy with several workers: unchanged by the filter, and with the
//! right spans.

mod attempts;
mod broken;
mod grpc;
mod headers;
mod lasting;
mod local;
mod plain;
mod streams;
