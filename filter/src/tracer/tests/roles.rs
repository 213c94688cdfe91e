#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const SERVER: &str = r#"{"role": "server"}"#;
const CLIENT: &str = r#"{"role": "client"}"#;

/// A proxy above the upstream, in its `attempt`th attempt.
struct Upstream {
    server_span: Option<Vec<u8>>,
    attempt: u64,
}

impl Surroundings for Upstream {
    fn now(&self) -> Timestamp {
        at(2000)
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn direction(&self) -> Option<Direction> {
        None
    }

    fn server_span(&self) -> Option<Cow<'_, [u8]>> {
        self.server_span.as_deref().map(Cow::Borrowed)
    }

    fn attempt(&self) -> Option<u64> {
        Some(self.attempt)
    }

    fn upstream_address(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(b"10.0.0.2:8080"))
    }
}

fn attempt(proxy: &Upstream, headers: &mut HeaderList, ids: &mut IdGenerator) -> FinishedPass {
    let before = headers.clone();
    let start = tracer(CLIENT).start(&before.headers(), proxy, ids, headers);
    start.pass.unwrap().end(&StreamEnd { now: at(9000), ..StreamEnd::default() })
}

#[test]
fn rule_35_every_attempt_has_a_client_span_of_its_own() {
    let ids = &mut IdGenerator::from_seed([1; 32]);
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let (start, mut headers) = start_at(SERVER, &[(":method", "GET"), ("traceparent", &traceparent)], ids);
    let server_span = start.server_span.map(|span| span.to_vec());
    let ended = start.pass.unwrap().end(&StreamEnd::default());
    let [server] = ended.spans().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(server.kind, SpanKind::Server);
    let onward = format!("00-{TRACE}-{}-01", server.span_id);
    assert_eq!(headers.text("traceparent"), Some(onward.clone()), "the SERVER span goes onward");
    assert_eq!(
        server_span.as_deref(),
        Some(onward.as_bytes()),
        "and is told to the filters above the upstream"
    );

    for number in 1..=3 {
        let proxy = Upstream { server_span: server_span.clone(), attempt: number };
        let ended = attempt(&proxy, &mut headers, ids);
        let [client] = ended.spans().collect::<Vec<_>>().try_into().unwrap();
        let parent = Parent { span_id: server.span_id, is_remote: false };
        assert_eq!((client.kind, client.parent), (SpanKind::Client, Some(parent)), "attempt {number}");
        assert_eq!((client.start, client.end), (at(2000), at(9000)), "by the clock");
        let resend = client.attributes.find(key::HTTP_REQUEST_RESEND_COUNT);
        let expected = (number > 1).then_some(crate::attributes::Value::Int(number as i64 - 1));
        assert_eq!(resend, expected, "attempt {number}");
        assert!(client.attributes.has(key::NETWORK_PEER_ADDRESS));
        assert_eq!(headers.text("traceparent"), Some(format!("00-{TRACE}-{}-01", client.span_id)));
    }
}

#[test]
fn rule_35_without_a_filter_at_the_listener_the_callers_span_is_the_parent() {
    let remote = Some(Parent { span_id: SpanId::parse(CALLER.as_bytes()).unwrap(), is_remote: true });
    let other = format!("00-{}-{CALLER}-01", TRACE.replace('4', "5"));
    for server_span in [None, Some(b"garbage".to_vec()), Some(other.into_bytes())] {
        let mut headers = HeaderList::new(&[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]);
        let proxy = Upstream { server_span, attempt: 1 };
        let ended = attempt(&proxy, &mut headers, &mut IdGenerator::from_seed([1; 32]));
        assert_eq!(ended.spans().next().unwrap().parent, remote, "{:?}", proxy.server_span);
    }
}

/// A proxy that has the whole request.
struct Whole;

impl Surroundings for Whole {
    fn now(&self) -> Timestamp {
        at(1000)
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn direction(&self) -> Option<Direction> {
        None
    }

    fn is_whole(&self) -> bool {
        true
    }
}

#[test]
fn the_last_span_notes_the_phases() {
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let before = HeaderList::new(&[("traceparent", &traceparent)]);
    let events = |json: &str, proxy: &dyn Surroundings| {
        let ids = &mut IdGenerator::from_seed([1; 32]);
        let mut pass = tracer(json).start(&before.headers(), proxy, ids, &mut before.clone()).pass.unwrap();
        pass.record_response(Some(b"200"), None, pass.wants_phases().then(|| at(3000)));
        let ended = pass.end(&StreamEnd { now: at(9000), ..StreamEnd::default() });
        ended.spans().map(|span| span.events.into_iter().flatten().collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let end = Event { name: "request.end", time: at(1000) };
    let head = Event { name: "response.start", time: at(3000) };
    assert_eq!(events("{}", &Whole), [vec![], vec![end, head]], "on the CLIENT span");
    assert_eq!(events("{}", &Bare(1000)), [vec![], vec![head]], "nobody tells when a body ends");
    assert_eq!(events(SERVER, &Whole), [vec![end, head]], "or on the only one");
    assert_eq!(events(r#"{"spans": {"phases": false}}"#, &Whole), [vec![], vec![]], "unless not wanted");
}
