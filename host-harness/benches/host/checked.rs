//! A guest in this package's host, which is handed each request's and response's headers.

use meshspan::vm::{Filter, HeaderMap, Limits, PluginOptions, Vm};

use crate::variant::Request;

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

/// A browser's request.
pub(crate) fn request_head() -> HeaderMap {
    HeaderMap::from_pairs([
        (":method", "GET"),
        (":path", "/api/list?page=2"),
        (":authority", "web-svc.emojivoto:80"),
        (":scheme", "http"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "*/*"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "6c1c9a1e-3f7f-4a52-9a7e-6c1f0a1d2b3c"),
    ])
}

/// An application's answer.
pub(crate) fn response_head() -> HeaderMap {
    HeaderMap::from_pairs([(":status", "200"), ("content-type", "application/json"), ("server", "envoy")])
}
