//! Messages packed here: tonic packs them at a level that cannot be chosen and costs three times as much.

use std::{
    io,
    task::{Context, Poll},
};

use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use tonic::{
    body::Body,
    transport::{Channel, Error, channel::ResponseFuture},
};
use tower_service::Service;

use crate::gzip::grpc_message;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// A packed message with its prefix, to be sent instead of a call's own body.
#[derive(Clone, Debug)]
pub(super) struct Packed(Bytes);

impl Packed {
    /// Packs an encoded request.
    pub(super) fn new(message: &[u8]) -> io::Result<Self> {
        Ok(Self(grpc_message(message)?.into()))
    }
}

/// A channel that sends a call's [`Packed`], if it has one.
#[derive(Clone, Debug)]
pub(super) struct Packing(pub(super) Channel);

impl Service<Request<Body>> for Packing {
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> ResponseFuture {
        if let Some(Packed(message)) = request.extensions_mut().remove() {
            request.headers_mut().insert(ENCODING, HeaderValue::from_static("gzip"));
            *request.body_mut() = Body::new(Full::new(message));
        }
        self.0.call(request)
    }
}
