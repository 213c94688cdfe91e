//! What differs where an exchange is not whole or not plain: the program is the situation's name, too.

use super::{Allowed, Host, SOON, row};

const LAST: &str =
    "an HTTP/2 connection of Envoy's that serves one request here ends with it, however that ends";
const ANYWAY: &str = "with which reason a stream is reset that is over is the HTTP library's matter";
const TEXT: &str =
    "the HTTP library answers what it cannot read before the proxy sees it, and without a text";
const DEFAULT: &str = "Envoy is configured to name a host where HTTP/1.0 names none";
const OLD: &str = "Envoy says that the connection ends also to a client that expects nothing else";
const CASE: &str = "the proxy names the option in lower case, as HTTP/2 does";
const INTERIM: &str = "interim responses end at the proxy: its HTTP library hands none on";
const AT_ONCE: &str = "the HTTP library says 100 as soon as the body is wanted; Envoy is configured to leave that to the server";
const EMPTY: &str = "Envoy tells of an empty piece as soon as a tunnel is open, in which the guest does what it does in others";
const FRAMING: &str = "what belongs to one connection the proxy keeps from its filter; Envoy leaves `transfer-encoding` in the head";
const TUNNEL: &str = "a tunnel over HTTP/2 that is broken off the HTTP library ends in order";
const PIECES: &str = "what of a body is there at once depends on the pieces in which the connection was read";

const SWITCHED: &str = "Envoy's codec makes an upgrade's 101 the 200 of HTTP/2 behind the filters";
const INFORMED: &str = "Envoy keeps the status of an interim response, of which its filters are not told, until the last one comes";
const ROUTED: &str = "Envoy's router answers as soon as the guest lets the head go; whoever drives the harness only hears of that after what waited behind the head";
const LOCAL: &str = "another filter or the router answers gRPC: until its head has gone Envoy knows the status that is meant; the harness is given the head";
const HELD: &str = "where another filter holds the request no upstream is chosen yet; the harness is told of one when the guest lets the head go";
const LENGTH: &str = "that filter gives the request its length, which the guest sees in on_log: Envoy's filters share one head";
const FOLLOWED: &str = "a redirection that Envoy follows is written into the request's head, of which this guest sees the end; its response goes to no filter";

/// Around `meshspan proxy`.
pub(super) const LIVE: [Allowed; 41] = [
    row("*", Host::Envoy, "reset(\"connection\")", LAST),
    row("*", Host::Harness, "reset(\"cancel\")", LAST),
    row("*", Host::Harness, "reset(\"internal_error\")", ANYWAY),
    row("too many", Host::Envoy, "  content-length: 31", TEXT),
    row("too many", Host::Envoy, "  content-type: text/plain", TEXT),
    row("too many", Host::Envoy, "data Request Header Fields Too Large", TEXT),
    row("too many", Host::Harness, "  content-length: 0", TEXT),
    row("nonsense", Host::Envoy, "  content-length: 11", TEXT),
    row("nonsense", Host::Envoy, "  content-type: text/plain", TEXT),
    row("nonsense", Host::Envoy, "data Bad Request", TEXT),
    row("nonsense", Host::Harness, "  content-length: 0", TEXT),
    row("HTTP/1.0 without a host", Host::Envoy, "  host: default.test", DEFAULT),
    row("HTTP/1.0 without a host", Host::Harness, "  host: ", DEFAULT),
    row("HTTP/1.0 without a host", Host::Envoy, "  connection: close", OLD),
    row("HTTP/1.0 with a host", Host::Envoy, "  connection: close", OLD),
    row("*", Host::Envoy, "  connection: Upgrade", CASE),
    row("*", Host::Harness, "  connection: upgrade", CASE),
    row("a body that waits for 100", Host::Envoy, "response.code → 0 \"d*", INTERIM),
    row("a body that waits for 100", Host::Harness, "response.code → 1", INTERIM),
    row("a body that waits for 100", Host::Envoy, "response.grpc_status → 0 *", INTERIM),
    row("a body that waits for 100", Host::Harness, "response.grpc_status → 1", INTERIM),
    row("a body that waits for 100", Host::Envoy, "  :status: 100", INTERIM),
    row("*", Host::Envoy, "head", INTERIM),
    row("early hints", Host::Envoy, "  :*103*", INTERIM),
    row("early hints", Host::Envoy, "  link: *", INTERIM),
    row("processing, twice", Host::Envoy, "  :*102*", INTERIM),
    row("a body that is refused", Host::Harness, "  : HTTP/1.1 100 Continue", AT_ONCE),
    row("a body that is refused", Host::Harness, "head", AT_ONCE),
    row("endings", Host::AtTimes, "upstream.local_address → ?", SOON),
    row("buffer", Host::AtTimes, "get → 0 *", PIECES),
    row("buffer", Host::AtTimes, "data *[whole]", PIECES),
    row("streamed both ways", Host::AtTimes, "data *", PIECES),
    row("streamed both ways", Host::AtTimes, "< *", PIECES),
    row("streamed both ways", Host::AtTimes, "held at trailers → 0 *", PIECES),
    row("call", Host::Envoy, "< continue", EMPTY),
    row("call", Host::Harness, "< pause", EMPTY),
    row("reply", Host::Envoy, "head → 0 *\"transfer-encoding\"=\"chunked\"*", FRAMING),
    row("reply", Host::Envoy, "head → 0 \":status\"=\"101\" \"connection\"=\"Upgrade\" *", CASE),
    row("reply", Host::Harness, "head → 0 \":status\"=*", FRAMING),
    row("ended by both in turn", Host::Envoy, "reset(\"internal_error\")", TUNNEL),
    row("ended by both in turn", Host::Harness, "end", TUNNEL),
];

/// Around the harness.
pub(super) const DRIVEN: [Allowed; 29] = [
    row("*", Host::Envoy, "status 200", SWITCHED),
    row("*", Host::Harness, "status 101", SWITCHED),
    row("endings", Host::AtTimes, "upstream.local_address → ?", SOON),
    row("a body that waits for 100", Host::Envoy, "response.code → 0 \"d*", INFORMED),
    row("a body that waits for 100", Host::Harness, "response.code → 1", INFORMED),
    row("a body that waits for 100", Host::Envoy, "response.grpc_status → 0 *", INFORMED),
    row("a body that waits for 100", Host::Harness, "response.grpc_status → 1", INFORMED),
    row("no healthy host for a call", Host::Harness, "> request_body 5 end", ROUTED),
    row("no healthy host for a call", Host::Harness, "< continue", ROUTED),
    row("no healthy host for a call", Host::Harness, "data *", ROUTED),
    row("a direct response to a POST", Host::Harness, "> request_body 4 end", ROUTED),
    row("a direct response to a POST", Host::Harness, "< continue", ROUTED),
    row("a direct response to a POST", Host::Harness, "data *", ROUTED),
    row("a filter behind ours, to a call", Host::Harness, "> request_body 6 end", ROUTED),
    row("a filter behind ours, to a call", Host::Harness, "< continue", ROUTED),
    row("a filter behind ours, to a call", Host::Harness, "data *", ROUTED),
    row("no healthy host for a call", Host::Both, "response.code → 0 *", LOCAL),
    row("a filter behind ours, to a call", Host::Both, "response.code → 0 *", LOCAL),
    row("a body that a filter behind ours holds", Host::Both, "upstream.request_attempt_count → 0 *", HELD),
    row("a body that a filter behind ours holds", Host::Both, "upstream.address → ?", HELD),
    row("a body that a filter behind ours holds", Host::Both, "upstream.port → ?", HELD),
    row("a body that a filter behind ours holds", Host::Envoy, "upstream.transport_failure_reason → 1", HELD),
    row(
        "a body that a filter behind ours holds",
        Host::Harness,
        "upstream.transport_failure_reason → 0 *",
        HELD,
    ),
    row("a body that a filter behind ours holds", Host::Both, "all of 0 → 0 *", LENGTH),
    row("a redirection that the proxy follows", Host::Both, "request.path → 0 *", FOLLOWED),
    row("a redirection that the proxy follows", Host::Both, "all of 0 → 0 *", FOLLOWED),
    row("a redirection that the proxy follows", Host::Envoy, "response.grpc_status → 0 *", FOLLOWED),
    row("a redirection that the proxy follows", Host::Harness, "response.grpc_status → 1", FOLLOWED),
    row("a redirection that the proxy follows", Host::Both, "response.backend_latency → ?", FOLLOWED),
];

/// Of the tracing filter's spans: the program is `proxy` or `harness`.
pub(super) const SPANS: [Allowed; 4] = [
    row("HTTP/1.0 without a host", Host::Both, "*server.address: *", DEFAULT),
    row("HTTP/1.0 without a host", Host::Both, "*server.port: *", DEFAULT),
    row("HTTP/1.0 without a host", Host::Envoy, "  url.full: http://default.test/", DEFAULT),
    row("HTTP/1.0 without a host", Host::Harness, "  url.full: /", DEFAULT),
];
