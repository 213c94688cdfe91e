//! Every property that Envoy documents, in every callback.
//! Attributes: <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>

use crate::host;
use crate::program::{Action, Program, exchange};
use crate::transcript::{done, got};

/// Parts joined by dots; a bar stands for a dot within a part.
const PATHS: [&str; 100] = [
    "request.path",
    "request.url_path",
    "request.host",
    "request.scheme",
    "request.method",
    "request.headers",
    "request.headers.x-one",
    "request.headers.x-twice",
    "request.headers.x-absent",
    "request.headers.:path",
    "request.headers.X-One",
    "request.referer",
    "request.useragent",
    "request.time",
    "request.id",
    "request.protocol",
    "request.query",
    "request.duration",
    "request.size",
    "request.total_size",
    "request.absent",
    "request",
    "request.path.more",
    "request.headers.x-one.more",
    "response.code",
    "response.code_details",
    "response.flags",
    "response.grpc_status",
    "response.headers",
    "response.headers.x-one",
    "response.headers.:status",
    "response.trailers",
    "response.trailers.grpc-status",
    "response.size",
    "response.total_size",
    "response.backend_latency",
    "response.absent",
    "response",
    "connection.mtls",
    "connection.id",
    "connection.requested_server_name",
    "connection.tls_version",
    "connection.subject_local_certificate",
    "connection.subject_peer_certificate",
    "connection.dns_san_local_certificate",
    "connection.dns_san_peer_certificate",
    "connection.uri_san_local_certificate",
    "connection.uri_san_peer_certificate",
    "connection.sha256_peer_certificate_digest",
    "connection.termination_details",
    "connection.transport_failure_reason",
    "connection",
    "source.address",
    "source.port",
    "source",
    "destination.address",
    "destination.port",
    "destination",
    "upstream.address",
    "upstream.port",
    "upstream.tls_version",
    "upstream.subject_local_certificate",
    "upstream.local_address",
    "upstream.transport_failure_reason",
    "upstream.request_attempt_count",
    "upstream.cx_pool_ready_duration",
    "upstream.locality",
    "upstream",
    "metadata",
    "metadata.absent",
    "filter_state",
    "filter_state.absent",
    "filter_state|absent",
    "xds.node",
    "xds.node.id",
    "xds.node.cluster",
    "xds.cluster_name",
    "xds.cluster_metadata",
    "xds.route_name",
    "xds.route_metadata",
    "xds.virtual_host_name",
    "xds.virtual_host_metadata",
    "xds.upstream_host_metadata",
    "xds.upstream_host_locality_metadata",
    "xds.filter_chain_name",
    "xds.listener_direction",
    "xds.listener_metadata",
    "xds",
    "node.id",
    "node.cluster",
    "node",
    "cluster_name",
    "cluster_metadata",
    "route_name",
    "listener_direction",
    "plugin_name",
    "plugin_root_id",
    "plugin_vm_id",
    "guest.own",
    "absent",
];

#[derive(Default)]
pub(crate) struct Properties {
    exchange: usize,
}

impl Properties {
    /// A part of them in each exchange: the log would be long.
    fn read(&self) -> Action {
        for path in PATHS.iter().skip(self.exchange % 3).step_by(3) {
            got(path, host::property(path)).ok();
        }
        got("nothing", host::property("")).ok();
        Action::Continue
    }
}

impl Program for Properties {
    fn request_headers(&mut self, _end: bool) -> Action {
        self.exchange = exchange();
        self.read();
        done("set own", host::set_property("guest.own", b"own value")).ok();
        got("own", host::property("guest.own")).ok();
        done("set own again", host::set_property("guest.own", b"")).ok();
        done("set mine", host::set_property("mine", b"my value")).ok();
        got("mine", host::property("mine")).ok();
        got("mine as envoy names it", host::property("filter_state.wasm|mine")).ok();
        got("own", host::property("guest.own")).ok();
        done("set envoy's", host::set_property("request.path", b"/other")).ok();
        got("request.path", host::property("request.path")).ok();
        done("set nothing", host::set_property("", b"x")).ok();
        Action::Continue
    }

    fn request_body(&mut self, _size: usize, end: bool) -> Action {
        if end { self.read() } else { Action::Continue }
    }

    fn request_trailers(&mut self) -> Action {
        self.read()
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        self.read()
    }

    fn response_body(&mut self, _size: usize, end: bool) -> Action {
        if end { self.read() } else { Action::Continue }
    }

    fn response_trailers(&mut self) -> Action {
        self.read()
    }

    fn log(&mut self) {
        self.read();
    }
}
