//! The filter that this package carries, in its host, with a collector that takes everything.

use std::time::Duration;

use meshspan::collect::accept;
use meshspan::host::PropertyValue;
use meshspan::time::Timestamp;
use meshspan::vm::{Filter, HeaderMap, Limits, PluginOptions, Vm};

use crate::heads::{request_head, response_head, traceparent};
use crate::rounds::Request;

const CLUSTER: &str = "otel_collector";
/// How long a request lasts.
pub(crate) const DURATION: Duration = Duration::from_millis(5);
/// Where it comes from.
pub(crate) const ADDRESS: &str = "10.0.0.7:43210";
pub(crate) const PROTOCOL: &str = "HTTP/1.1";
/// Requests between two ticks.
pub(crate) const TICK: u32 = 100;

/// A running sidecar.
pub(crate) struct Traced {
    vm: Vm,
    request: HeaderMap,
    response: HeaderMap,
    requests: u32,
}

impl Traced {
    /// One whose requests have a context with these flags, or none.
    pub(crate) fn start(flags: Option<&str>) -> Self {
        let filter = Filter::compile(meshspan::filter_wasm(), Limits::default()).unwrap();
        let direction = (vec!["xds".to_owned(), "listener_direction".to_owned()], PropertyValue::Int(1));
        let options = PluginOptions {
            clusters: vec![CLUSTER.to_owned()],
            properties: vec![direction],
            start: Timestamp::from_unix_nanos(1_700_000_000_000_000_000),
            ..PluginOptions::default()
        };
        let vm = filter.start(options).unwrap();
        let mut request = request_head();
        flags.iter().for_each(|flags| request.add("traceparent", traceparent(flags)));
        Self { vm, request, response: response_head(), requests: 0 }
    }

    /// As a proxy tells it, with the properties that every Envoy has.
    fn request(&mut self) {
        let vm = &mut self.vm;
        let stream = vm.open_stream().unwrap();
        vm.set_property(stream, &["request", "time"], PropertyValue::Timestamp(vm.now()));
        vm.set_property(stream, &["request", "protocol"], PropertyValue::Bytes(PROTOCOL.into()));
        vm.set_property(stream, &["source", "address"], PropertyValue::Bytes(ADDRESS.into()));
        vm.request_headers(stream, self.request.clone(), true).unwrap();
        vm.set_time(vm.now().plus(DURATION));
        vm.response_headers(stream, self.response.clone(), true).unwrap();
        vm.set_property(stream, &["request", "duration"], PropertyValue::Duration(DURATION));
        vm.close_stream(stream).unwrap();
        self.requests += 1;
        if self.requests.is_multiple_of(TICK) {
            self.export();
        }
    }

    fn export(&mut self) {
        self.vm.set_time(self.vm.now().plus(Duration::from_secs(1)));
        self.vm.tick().unwrap();
        for call in self.vm.take_calls() {
            self.vm.answer(call.token, accept(&call)).unwrap();
        }
    }

    pub(crate) fn into_requests(mut self) -> Request {
        Box::new(move || self.request())
    }
}
