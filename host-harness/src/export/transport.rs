//! One way to one collector, for any number of requests at once.

use std::time::Duration;

use ::http::Uri;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::{
    ExportError, ExporterConfig, Protocol, grpc, http,
    retry::{Attempt, Failure},
};

/// Dials when the first request goes out, and again when a connection is gone.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    endpoint: Uri,
    limit: Duration,
    client: Client,
}

#[derive(Clone, Debug)]
enum Client {
    Grpc(grpc::Client),
    Http(http::Client),
}

impl Transport {
    pub(crate) fn new(config: &ExporterConfig) -> Result<Self, ExportError> {
        let client = match config.protocol {
            Protocol::Grpc => Client::Grpc(grpc::Client::new(config)?),
            Protocol::HttpProtobuf | Protocol::HttpJson => Client::Http(http::Client::new(config)?),
        };
        Ok(Self { endpoint: config.endpoint.clone(), limit: config.timeout, client })
    }

    /// Sends an encoded `ExportTraceServiceRequest` once.
    pub(crate) async fn attempt(&self, request: Bytes) -> Attempt {
        let sent = async {
            match &self.client {
                Client::Grpc(client) => client.send(request).await,
                Client::Http(client) => client.send(request).await,
            }
        };
        match timeout(self.limit, sent).await {
            Ok(outcome) => outcome,
            Err(_) => Attempt::Retryable(Failure::timed_out(&self.endpoint, self.limit), None),
        }
    }
}
