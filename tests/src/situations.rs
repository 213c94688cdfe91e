//! Every situation, in tables that the tests of the filter and the differential test share.

pub mod broken;
pub mod grpc;
pub mod headers;
pub mod lasting;
pub mod local;
pub mod plain;
