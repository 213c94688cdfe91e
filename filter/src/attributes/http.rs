//! HTTP requests as attributes of a SERVER and of a CLIENT span.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md>

mod linkerd;

use std::borrow::Cow;

use crate::attributes::address::{HostPort, original};
use crate::attributes::route::PathTemplate;
use crate::attributes::url::{self, QueryPolicy, Target};
use crate::attributes::{Attributes, Value, key, rpc};
use crate::headers::Headers;

/// Methods of RFC 9110, RFC 5789 and QUERY, which the conventions call known. Compared with regard to case.
const KNOWN_METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// Bytes of attributes that most SERVER spans have room in.
const SERVER_ROOM: usize = 576;
/// Bytes of attributes that most CLIENT spans have room in.
const CLIENT_ROOM: usize = 448;

/// The first value of each header that attributes come from.
#[derive(Clone, Copy, Debug, Default)]
struct Known<'a> {
    authority: Option<&'a [u8]>,
    content_type: Option<&'a [u8]>,
    forwarded: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
    x_forwarded_for: Option<&'a [u8]>,
    x_forwarded_host: Option<&'a [u8]>,
    x_forwarded_proto: Option<&'a [u8]>,
}

impl<'a> Known<'a> {
    fn read(headers: &Headers<'a>) -> Self {
        let mut known = Self::default();
        for (name, value) in headers.iter() {
            if let Some(slot) = known.slot(name) {
                slot.get_or_insert(value);
            }
        }
        known
    }

    /// Where the value of `name`, in any case, is kept: at most two names are as long as any.
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match name.len() {
            4 if is("host") => Some(&mut self.host),
            5 if is(":path") => Some(&mut self.path),
            7 if is(":method") => Some(&mut self.method),
            7 if is(":scheme") => Some(&mut self.scheme),
            9 if is("forwarded") => Some(&mut self.forwarded),
            10 if is(":authority") => Some(&mut self.authority),
            10 if is("user-agent") => Some(&mut self.user_agent),
            12 if is("content-type") => Some(&mut self.content_type),
            15 if is("x-forwarded-for") => Some(&mut self.x_forwarded_for),
            16 if is("x-forwarded-host") => Some(&mut self.x_forwarded_host),
            17 if is("x-forwarded-proto") => Some(&mut self.x_forwarded_proto),
            _ => None,
        }
    }

    /// The scheme that the client used, as the first proxy noted it.
    fn original_scheme(&self) -> Option<&'a [u8]> {
        original(self.forwarded, "proto", self.x_forwarded_proto)
    }
}

/// What a request's headers say, read once for both spans.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    known: Known<'a>,
    method: &'a [u8],
    authority: &'a [u8],
    target: Target<'a>,
    rpc: Option<rpc::Method<'a>>,
    route: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads `headers`; whatever is missing is empty. The first of `templates` that fits the path is
    /// its route; a gRPC call has none.
    pub fn read(headers: &Headers<'a>, templates: &'a [PathTemplate]) -> Self {
        let known = Known::read(headers);
        let target = Target::parse(known.path.unwrap_or_default());
        // A host that shows both puts its own name into `:authority`.
        let authority = target.authority.or(known.host).or(known.authority);
        let is_grpc = known.content_type.is_some_and(rpc::is_grpc);
        let rpc = is_grpc.then(|| rpc::Method::parse(target.path));
        let route = templates.iter().find(|template| rpc.is_none() && template.matches(target.path));
        Self {
            known,
            method: known.method.unwrap_or_default(),
            authority: authority.unwrap_or_default(),
            target,
            rpc,
            route: route.map(PathTemplate::as_str),
        }
    }

    /// Whether the request is a gRPC call.
    pub fn is_grpc(&self) -> bool {
        self.rpc.is_some()
    }

    /// A name of low cardinality for both spans: gRPC's method, else HTTP's with the route if there
    /// is one; never the path.
    pub fn span_name(&self) -> Cow<'static, str> {
        if let Some(method) = &self.rpc {
            return method.span_name();
        }
        let method = known_method(self.method).unwrap_or("HTTP");
        match self.route {
            Some(route) => Cow::Owned(format!("{method} {route}")),
            None => Cow::Borrowed(method),
        }
    }

    /// The attributes of the SERVER span, as far as the request gives them.
    pub fn server_attributes(&self, policy: &QueryPolicy) -> Attributes {
        let mut attributes = self.common_attributes(SERVER_ROOM);
        let scheme = scheme([self.known.original_scheme(), self.known.scheme]);
        let original_host = original(self.known.forwarded, "host", self.known.x_forwarded_host);
        self.set_server(&mut attributes, original_host.and_then(HostPort::parse), &scheme);
        attributes.set(key::URL_SCHEME, &*scheme);
        attributes.set(key::URL_PATH, Value::lossy(self.target.path));
        attributes.set_some(key::HTTP_ROUTE, self.route);
        let query = self.target.query.and_then(|query| policy.apply(query));
        attributes.set_some(key::URL_QUERY, query.as_deref().map(Value::lossy));
        if let Some(client) = self.client() {
            client.record(&mut attributes, key::CLIENT_ADDRESS, key::CLIENT_PORT);
        }
        attributes.set_some(key::USER_AGENT_ORIGINAL, self.known.user_agent.map(Value::lossy));
        attributes
    }

    /// The attributes of the CLIENT span, as far as the request gives them.
    pub fn client_attributes(&self, policy: &QueryPolicy) -> Attributes {
        let mut attributes = self.common_attributes(CLIENT_ROOM);
        let scheme = scheme([self.known.scheme, self.known.original_scheme()]);
        self.set_server(&mut attributes, None, &scheme);
        let origin = (&*scheme, self.authority);
        url::record_full(&mut attributes, key::URL_FULL, origin, self.target, policy);
        attributes.set_some(key::URL_TEMPLATE, self.route);
        attributes
    }

    /// The caller behind any proxies, as they noted it: `client.address` of the SERVER span.
    pub fn client(&self) -> Option<HostPort<'a>> {
        original(self.known.forwarded, "for", self.known.x_forwarded_for).and_then(HostPort::parse)
    }

    /// The host that is called: `server.address` of the CLIENT span.
    pub fn server(&self) -> Option<HostPort<'a>> {
        HostPort::parse(self.authority)
    }

    fn common_attributes(&self, room: usize) -> Attributes {
        let mut attributes = Attributes::with_capacity(room);
        if let Some(method) = &self.rpc {
            method.record(&mut attributes);
        }
        match known_method(self.method) {
            Some(method) => attributes.set(key::HTTP_REQUEST_METHOD, method),
            None => {
                attributes.set(key::HTTP_REQUEST_METHOD, "_OTHER");
                attributes.set(key::HTTP_REQUEST_METHOD_ORIGINAL, Value::lossy(self.method));
            }
        }
        attributes
    }

    /// `server.address` and `server.port`: of `preferred` or else of the authority; the scheme's
    /// port where none is written.
    fn set_server(&self, attributes: &mut Attributes, preferred: Option<HostPort<'_>>, scheme: &str) {
        let Some(host) = preferred.or_else(|| self.server()) else { return };
        let default_port = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let host = HostPort { port: host.port.or(default_port), ..host };
        host.record(attributes, key::SERVER_ADDRESS, key::SERVER_PORT);
    }
}

/// The first of `named` that is a scheme, in lower case; `http` if none is.
fn scheme(named: [Option<&[u8]>; 2]) -> Cow<'static, str> {
    match named.into_iter().flatten().find(|scheme| url::is_scheme(scheme)) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"https") => Cow::Borrowed("https"),
        Some(scheme) if !scheme.eq_ignore_ascii_case(b"http") => {
            Cow::Owned(String::from_utf8_lossy(scheme).to_ascii_lowercase())
        }
        _ => Cow::Borrowed("http"),
    }
}

fn known_method(method: &[u8]) -> Option<&'static str> {
    KNOWN_METHODS.into_iter().find(|known| known.as_bytes() == method)
}

/// The version in a protocol's name as proxies give it: `HTTP/1.1` → `1.1`, `HTTP/2` → `2`.
pub fn protocol_version(protocol: &[u8]) -> Option<&'static str> {
    match protocol {
        b"HTTP/1.0" => Some("1.0"),
        b"HTTP/1.1" => Some("1.1"),
        b"HTTP/2" | b"HTTP/2.0" => Some("2"),
        b"HTTP/3" | b"HTTP/3.0" => Some("3"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn with_request<T>(pairs: &[(&str, &[u8])], read: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers = Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), *value)).collect());
        read(&Request::read(&headers, &[]))
    }

    fn list(attributes: &Attributes) -> Vec<(&str, String)> {
        let mut pairs: Vec<_> = attributes
            .iter()
            .map(|(key, value)| match value {
                Value::Str(text) => (key, text.to_string()),
                Value::Int(number) => (key, format!("#{number}")),
                Value::Bool(is_so) => (key, is_so.to_string()),
                Value::List(texts) => (key, texts.join(",")),
            })
            .collect();
        pairs.sort_unstable();
        pairs
    }

    fn expect(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
    }

    const VOTE: [(&str, &[u8]); 6] = [
        (":method", b"GET"),
        (":scheme", b"http"),
        (":authority", b"web-svc.emojivoto:80"),
        (":path", b"/api/vote?choice=:doughnut:&sig=1"),
        ("user-agent", b"Go-http-client/1.1"),
        ("x-forwarded-for", b"10.1.1.1, 10.2.2.2"),
    ];

    #[test]
    fn rule_29_a_server_span_has_the_parts_of_the_url() {
        let attributes = with_request(&VOTE, |request| request.server_attributes(&QueryPolicy::default()));
        let expected = [
            ("client.address", "10.1.1.1"),
            ("http.request.method", "GET"),
            ("server.address", "web-svc.emojivoto"),
            ("server.port", "#80"),
            ("url.path", "/api/vote"),
            ("url.query", "choice=:doughnut:&sig=REDACTED"),
            ("url.scheme", "http"),
            ("user_agent.original", "Go-http-client/1.1"),
        ];
        assert_eq!(list(&attributes), expect(&expected));
    }

    #[test]
    fn rule_30_a_client_span_has_the_whole_url() {
        let attributes = with_request(&VOTE, |request| request.client_attributes(&QueryPolicy::default()));
        let expected = [
            ("http.request.method", "GET"),
            ("server.address", "web-svc.emojivoto"),
            ("server.port", "#80"),
            ("url.full", "http://web-svc.emojivoto:80/api/vote?choice=:doughnut:&sig=REDACTED"),
        ];
        assert_eq!(list(&attributes), expect(&expected));
    }

    #[test]
    fn rule_28_names_are_methods_and_never_paths() {
        type Row<'a> = (&'a [u8], &'a str, &'a str, Option<&'a str>, &'a str);
        let cases: [Row<'_>; 6] = [
            (b"GET", "GET", "GET", None, "known"),
            (b"PATCH", "PATCH", "PATCH", None, "known from RFC 5789"),
            (b"get", "HTTP", "_OTHER", Some("get"), "methods have regard to case"),
            (b"PROPFIND", "HTTP", "_OTHER", Some("PROPFIND"), "unknown"),
            (b"\xff", "HTTP", "_OTHER", Some("\u{fffd}"), "not UTF-8"),
            (b"", "HTTP", "_OTHER", Some(""), "missing"),
        ];
        for (method, name, recorded, original, reason) in cases {
            with_request(&[(":method", method), (":path", b"/secret/42")], |request| {
                assert_eq!(request.span_name(), name, "{reason}");
                for attributes in [
                    request.server_attributes(&QueryPolicy::Keep),
                    request.client_attributes(&QueryPolicy::Keep),
                ] {
                    let text = |text: &str| Value::from(text.to_owned());
                    assert_eq!(attributes.find(key::HTTP_REQUEST_METHOD), Some(text(recorded)), "{reason}");
                    assert_eq!(attributes.find(key::HTTP_REQUEST_METHOD_ORIGINAL), original.map(text));
                }
            });
        }
    }

    #[test]
    fn rule_28_the_first_template_that_fits_is_the_route() {
        let templates = ["/api/vote", "/api/{any}", "/emojivoto.v1.VotingService/{method}"]
            .map(|text| PathTemplate::parse(text).unwrap());
        let cases = [
            (
                "/api/vote?choice=1",
                "text/plain",
                "GET /api/vote",
                Some("/api/vote"),
                "the query does not count",
            ),
            ("/api/list", "text/plain", "GET /api/{any}", Some("/api/{any}"), "a later one"),
            ("/other", "text/plain", "GET", None, "none fits"),
            (
                "/emojivoto.v1.VotingService/VoteJoy",
                "application/grpc",
                "emojivoto.v1.VotingService/VoteJoy",
                None,
                "gRPC has its methods",
            ),
        ];
        for (path, content_type, name, route, reason) in cases {
            let pairs = [(":method", "GET"), (":path", path), ("content-type", content_type)];
            let headers =
                Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect());
            let request = Request::read(&headers, &templates);
            assert_eq!(request.span_name(), name, "{reason}");
            let route = route.map(|route| Value::from(route.to_owned()));
            let server = request.server_attributes(&QueryPolicy::default());
            assert_eq!(server.find(key::HTTP_ROUTE), route, "{reason}");
            let client = request.client_attributes(&QueryPolicy::default());
            assert_eq!(client.find(key::URL_TEMPLATE), route, "{reason}");
        }
    }

    #[test]
    fn rule_32_the_server_span_names_the_original_host_and_scheme() {
        let forwarded: [(&str, &[u8]); 5] = [
            (":scheme", b"http"),
            (":authority", b"10.0.0.9:8080"),
            ("forwarded", b"host=\"shop.example\";proto=HTTPS"),
            ("x-forwarded-host", b"loser.example"),
            ("x-forwarded-proto", b"http"),
        ];
        with_request(&forwarded, |request| {
            let server = request.server_attributes(&QueryPolicy::Keep);
            assert_eq!(server.find(key::SERVER_ADDRESS), Some(Value::lossy(b"shop.example")));
            assert_eq!(server.find(key::SERVER_PORT), Some(Value::Int(443)), "the scheme's port");
            assert_eq!(server.find(key::URL_SCHEME), Some(Value::from("https")));
            let client = request.client_attributes(&QueryPolicy::Keep);
            assert_eq!(client.find(key::SERVER_ADDRESS), Some(Value::lossy(b"10.0.0.9")), "what is called");
            assert_eq!(client.find(key::SERVER_PORT), Some(Value::Int(8080)));
            assert_eq!(client.find(key::URL_FULL), Some(Value::lossy(b"http://10.0.0.9:8080")));
        });
    }

    #[test]
    fn the_host_that_the_client_asked_for_counts_before_the_servers_own_name() {
        let both: [(&str, &[u8]); 2] = [(":authority", b"localhost:8080"), ("Host", b"shop.example:81")];
        with_request(&both, |request| {
            let server = request.server_attributes(&QueryPolicy::Keep);
            assert_eq!(server.find(key::SERVER_ADDRESS), Some(Value::lossy(b"shop.example")));
            assert_eq!(server.find(key::SERVER_PORT), Some(Value::Int(81)));
        });
    }

    #[test]
    fn rule_32_each_source_counts_where_those_before_it_are_silent() {
        type Row<'a> = (&'a [(&'a str, &'a [u8])], &'a str, u16, &'a str, &'a str);
        let inner: (&str, &[u8]) = (":authority", b"10.0.0.9:8080");
        let rows: [Row<'_>; 5] = [
            (&[inner], "10.0.0.9", 8080, "http", "only the authority"),
            (&[inner, ("x-forwarded-proto", b"https")], "10.0.0.9", 8080, "https", "the scheme alone"),
            (&[inner, ("x-forwarded-host", b"a.example")], "a.example", 80, "http", "the host alone"),
            (
                &[inner, ("x-forwarded-host", b"a.example:81"), ("x-forwarded-proto", b"https")],
                "a.example",
                81,
                "https",
                "both, with a port",
            ),
            (&[inner, ("forwarded", b"for=1.2.3.4")], "10.0.0.9", 8080, "http", "neither in Forwarded"),
        ];
        for (pairs, address, port, scheme, reason) in rows {
            with_request(pairs, |request| {
                let server = request.server_attributes(&QueryPolicy::Keep);
                let text = |text: &str| Value::from(text.to_owned());
                assert_eq!(server.find(key::SERVER_ADDRESS), Some(text(address)), "{reason}");
                assert_eq!(server.find(key::SERVER_PORT), Some(Value::from(port)), "{reason}");
                assert_eq!(server.find(key::URL_SCHEME), Some(text(scheme)), "{reason}");
            });
        }
    }

    #[test]
    fn rule_29_missing_and_malformed_headers_give_what_there_is() {
        with_request(&[], |request| {
            let server = request.server_attributes(&QueryPolicy::default());
            let expected = [
                ("http.request.method", "_OTHER"),
                ("http.request.method_original", ""),
                ("url.path", ""),
                ("url.scheme", "http"),
            ];
            assert_eq!(list(&server), expect(&expected), "required ones are there");
        });
        let odd: [(&str, &[u8]); 4] = [
            (":path", b"/\xff?\xfe"),
            ("host", b"h\xff"),
            ("x-forwarded-proto", b"<script>"),
            (":scheme", b"ws"),
        ];
        with_request(&odd, |request| {
            let server = request.server_attributes(&QueryPolicy::default());
            assert_eq!(server.find(key::URL_PATH), Some(Value::from("/\u{fffd}")));
            assert_eq!(server.find(key::URL_QUERY), Some(Value::from("\u{fffd}")));
            assert_eq!(server.find(key::SERVER_ADDRESS), Some(Value::from("h\u{fffd}")), "HTTP/1.1's host");
            assert_eq!(server.find(key::SERVER_PORT), None, "no port is known for ws");
            assert_eq!(
                server.find(key::URL_SCHEME),
                Some(Value::from("ws")),
                "no scheme in x-forwarded-proto"
            );
        });
    }

    #[test]
    fn rule_36_a_grpc_span_is_called_after_its_method() {
        let call: [(&str, &[u8]); 4] = [
            (":method", b"POST"),
            (":authority", b"voting-svc:8080"),
            (":path", b"/emojivoto.v1.VotingService/VoteDoughnut"),
            ("content-type", b"application/grpc"),
        ];
        with_request(&call, |request| {
            assert!(request.is_grpc());
            assert_eq!(request.span_name(), "emojivoto.v1.VotingService/VoteDoughnut");
            let expected = [
                ("http.request.method", "POST"),
                ("rpc.method", "emojivoto.v1.VotingService/VoteDoughnut"),
                ("rpc.system.name", "grpc"),
                ("server.address", "voting-svc"),
                ("server.port", "#8080"),
                ("url.full", "http://voting-svc:8080/emojivoto.v1.VotingService/VoteDoughnut"),
            ];
            assert_eq!(list(&request.client_attributes(&QueryPolicy::default())), expect(&expected));
        });
    }

    #[test]
    fn rule_29_protocol_versions() {
        let cases: [(&[u8], Option<&str>); 5] = [
            (b"HTTP/1.0", Some("1.0")),
            (b"HTTP/1.1", Some("1.1")),
            (b"HTTP/2", Some("2")),
            (b"HTTP/3", Some("3")),
            (b"", None),
        ];
        for (protocol, version) in cases {
            assert_eq!(protocol_version(protocol), version);
        }
    }
}
