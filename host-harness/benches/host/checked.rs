//! A guest in this package's host, which is handed each request's and response's headers.

use meshspan::vm::{Filter, HeaderMap, Limits, PluginOptions, Vm};

use crate::heads::{request_head, response_head};
use crate::rounds::Request;

/// A running VM.
pub(crate) struct Checked {
    vm: Vm,
    request: HeaderMap,
    response: HeaderMap,
}

impl Checked {
    pub(crate) fn start(wasm: &[u8]) -> Self {
        let filter = Filter::compile(wasm, Limits::default()).unwrap();
        let vm = filter.start(PluginOptions::default()).unwrap();
        Self { vm, request: request_head(), response: response_head() }
    }

    fn request(&mut self) {
        let stream = self.vm.open_stream().unwrap();
        self.vm.request_headers(stream, self.request.clone(), true).unwrap();
        self.vm.response_headers(stream, self.response.clone(), true).unwrap();
        self.vm.close_stream(stream).unwrap();
    }

    pub(crate) fn into_requests(mut self) -> Request {
        self.request();
        Box::new(move || self.request())
    }
}
