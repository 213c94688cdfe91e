//! W3C Trace Context as seen around a real Envoy: what a caller sends, and what the next service gets when
//! the application between them only forwards headers. Both ways go through the filter.
//! Spec: <https://www.w3.org/TR/trace-context-2/>

use meshspan_tests::client::Request;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::process::free_port;
use meshspan_tests::upstream::{Recorded, Upstream};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";
const VALID: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const CONTEXT: [&str; 2] = ["traceparent", "tracestate"];

/// One ingress Envoy, which may start traces, with two listeners: before the application and behind it.
struct Ingress {
    _envoy: Envoy,
    application: Upstream,
    next: Upstream,
    inbound: u16,
    outbound: u16,
}

impl Ingress {
    fn start() -> Ingress {
        let (application, next) = (Upstream::start(), Upstream::start());
        let (inbound, outbound) = (free_port(), free_port());
        let config = Config::new("envoy/sidecar.yaml", meshspan::filter_wasm())
            .replace(r#""start_traces": false"#, r#""start_traces": true"#)
            .port(15006, inbound)
            .port(15001, outbound)
            .port(8080, application.port())
            .port(8081, next.port())
            .port(4317, free_port())
            .concurrency(2);
        Ingress { _envoy: config.start(), application, next, inbound, outbound }
    }

    /// What the next service gets of a request with `headers`, each as raw bytes on the wire.
    fn forward(&self, headers: &[(&str, &str)]) -> Recorded {
        self.fan_out(headers, 1).remove(0)
    }

    /// The same for an application that makes several calls for one request.
    fn fan_out(&self, headers: &[(&str, &str)], calls: usize) -> Vec<Recorded> {
        send(self.inbound, headers);
        let got = self.application.take_one();
        let forwarded = got.headers.iter().filter(|(name, _)| CONTEXT.contains(&name.as_str()));
        let forwarded: Vec<_> = forwarded
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).expect("a text value")))
            .collect();
        for _ in 0..calls {
            send(self.outbound, &forwarded);
        }
        self.next.take()
    }
}

fn send(port: u16, headers: &[(&str, &str)]) {
    let request =
        headers.iter().fold(Request::get("/"), |request, (name, value)| request.header(name, value));
    assert_eq!(request.send_http1(port).status, 200, "{headers:?}");
}

/// A `traceparent`'s trace id, parent id and flags, its shape checked.
fn parts(got: &Recorded) -> (String, String, String) {
    let value = got.value("traceparent");
    let fields: Vec<&str> = value.split('-').collect();
    assert_eq!(fields.iter().map(|field| field.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{value}");
    assert!(fields.iter().all(|field| hex::is_lower(field)), "{value}");
    assert_eq!(fields[0], "00", "{value}");
    assert!(fields[1].contains(|digit| digit != '0') && fields[2].contains(|digit| digit != '0'), "{value}");
    (fields[1].to_owned(), fields[2].to_owned(), fields[3].to_owned())
}

mod hex {
    pub(super) fn is_lower(text: &str) -> bool {
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

/// All `tracestate` values that arrived, as one list.
fn state(got: &Recorded) -> String {
    let values = got.values("tracestate");
    assert!(values.iter().all(|value| !value.is_empty()), "rule 10: an empty header is never sent");
    let texts = values.iter().map(|value| String::from_utf8(value.to_vec()).expect("ASCII"));
    texts.collect::<Vec<_>>().join(",")
}

#[test]
fn rules_01_to_06_what_is_not_valid_starts_a_new_trace() {
    let ingress = Ingress::start();
    let rows = [
        (vec![], "rule 1: nothing came"),
        (vec![("trace-parent", VALID)], "rule 1: another name"),
        (vec![("trace.parent", VALID)], "rule 1: another name"),
        (
            vec![("traceparent", "00-12345678901234567890123456789012-1234567890123456-01-x")],
            "rule 3: a tail",
        ),
        (vec![("traceparent", "00-12345678901234567890123456789012-1234567890123456-01-")], "rule 3: a dash"),
        (vec![("traceparent", "00-12345678901234567890123456789012-1234567890123456-01.")], "rule 3: a dot"),
        (
            vec![("traceparent", "00-12345678901234567890123456789012-1234567890123456-1")],
            "rule 2: short flags",
        ),
        (
            vec![("traceparent", "00-12345678901234567890123456789012-1234567890123456-001")],
            "rule 2: long flags",
        ),
        (vec![("traceparent", "00-12345678901234567890123456789012-1234567890123456-0g")], "rule 2: flags"),
        (
            vec![("traceparent", "00-1234567890123456789012345678901-1234567890123456-01")],
            "rule 2: short trace",
        ),
        (
            vec![("traceparent", "00-123456789012345678901234567890123-1234567890123456-01")],
            "rule 2: long trace",
        ),
        (vec![("traceparent", "00-1234567890123456789012345678901.-1234567890123456-01")], "rule 2: not hex"),
        (
            vec![("traceparent", "00-1234567890123456789012345678901A-1234567890123456-01")],
            "rule 2: upper case",
        ),
        (
            vec![("traceparent", "00-00000000000000000000000000000000-1234567890123456-01")],
            "rule 2: zero trace",
        ),
        (
            vec![("traceparent", "00-12345678901234567890123456789012-123456789012345-01")],
            "rule 2: short parent",
        ),
        (
            vec![("traceparent", "00-12345678901234567890123456789012-12345678901234567-01")],
            "rule 2: long parent",
        ),
        (vec![("traceparent", "00-12345678901234567890123456789012-.234567890123456-01")], "rule 2: not hex"),
        (
            vec![("traceparent", "00-12345678901234567890123456789012-0000000000000000-01")],
            "rule 2: zero parent",
        ),
        (vec![("traceparent", "ff-12345678901234567890123456789012-1234567890123456-01")], "rule 4: ff"),
        (vec![("traceparent", ".0-12345678901234567890123456789012-1234567890123456-01")], "rule 2: version"),
        (
            vec![("traceparent", "000-12345678901234567890123456789012-1234567890123456-01")],
            "rule 2: version",
        ),
        (vec![("traceparent", "0-12345678901234567890123456789012-1234567890123456-01")], "rule 2: version"),
        (vec![("traceparent", "cc-12345678901234567890123456789012-1234567890123456-01.x")], "rule 5: a dot"),
        (vec![("traceparent", VALID), ("traceparent", VALID)], "rule 6: twice the same"),
        (vec![("traceparent", VALID), ("TraceParent", VALID)], "rule 6: in whatever case"),
    ];
    for (headers, reason) in rows {
        let headers = [headers, vec![("tracestate", "foo=1,bar=2")]].concat();
        let (trace_id, parent_id, flags) = parts(&ingress.forward(&headers));
        assert!(!trace_id.starts_with("1234567890123456789012345678901"), "{reason}");
        assert_ne!(parent_id, PARENT, "rule 9: {reason}");
        assert_eq!(flags, "03", "rules 7 and 8, sampled and random: {reason}");
        let got = ingress.forward(&headers);
        assert_eq!(state(&got), "ot=th:0", "rules 1 and 14: the caller's state goes: {reason}");
    }
}

#[test]
fn rules_05_to_09_a_valid_parent_is_continued_through_envoy() {
    let ingress = Ingress::start();
    let rows = [
        ("traceparent", VALID, "01", "as it is"),
        ("TraceParent", VALID, "01", "names have no case"),
        ("TRACEPARENT", VALID, "01", "names have no case"),
        (
            "traceparent",
            " \t00-12345678901234567890123456789012-1234567890123456-01 \t",
            "01",
            "rule 6: around",
        ),
        ("traceparent", "cc-12345678901234567890123456789012-1234567890123456-01", "01", "rule 5: later"),
        (
            "traceparent",
            "cc-12345678901234567890123456789012-1234567890123456-01-more",
            "01",
            "rule 5: longer",
        ),
        ("traceparent", "00-12345678901234567890123456789012-1234567890123456-00", "00", "not sampled"),
        ("traceparent", "00-12345678901234567890123456789012-1234567890123456-02", "02", "rule 8: random"),
        ("traceparent", "00-12345678901234567890123456789012-1234567890123456-03", "03", "rule 8: both"),
        ("traceparent", "00-12345678901234567890123456789012-1234567890123456-fd", "01", "rule 7: by bit"),
    ];
    for (name, value, expected, reason) in rows {
        let (trace_id, parent_id, flags) = parts(&ingress.forward(&[(name, value)]));
        assert_eq!((trace_id.as_str(), flags.as_str()), (TRACE, expected), "{reason}");
        assert_ne!(parent_id, PARENT, "rule 9: {reason}");
    }
}

#[test]
fn rule_09_every_call_for_one_request_gets_its_own_parent() {
    let ingress = Ingress::start();
    let zero = "00-00000000000000000000000000000000-1234567890123456-01";
    for headers in [&[("traceparent", VALID)][..], &[], &[("traceparent", zero)]] {
        let got = ingress.fan_out(headers, 3);
        let (traces, mut parents): (Vec<_>, Vec<_>) = got.iter().map(parts).map(|(t, p, _)| (t, p)).unzip();
        assert!(traces.iter().all(|trace| *trace == traces[0]), "one trace: {traces:?}");
        assert_eq!(traces[0] == TRACE, headers == [("traceparent", VALID)], "{traces:?}");
        parents.sort_unstable();
        parents.dedup();
        assert_eq!(parents.len(), 3, "{headers:?}");
    }
}

#[test]
fn rules_10_to_14_a_state_goes_with_its_parent_through_envoy() {
    let ingress = Ingress::start();
    let members = |count: usize| (0..count).map(|n| format!("k{n}={n}")).collect::<Vec<_>>();
    let characters: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
    let long_key = format!("foo=1,{}=1", "z".repeat(256));
    let longer_key = format!("foo=1,{}=1", "z".repeat(257));
    let every = format!("az09_-*/={characters}");
    let tenant = format!("az09_-*/@v0_-*/={characters}");
    let (full, too_many) = (members(32).join(","), members(33).join(","));
    let rows = [
        (vec!["foo=1,bar=2"], "foo=1,bar=2", "rule 14: kept"),
        (
            vec!["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
            "rule 10: joined",
        ),
        (vec![""], "", "rule 10: an empty one is not sent on"),
        (vec!["foo=1", ""], "foo=1", "rule 10: beside an empty one"),
        (vec!["", "foo=1"], "foo=1", "rule 10: beside an empty one"),
        (vec!["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3", "rule 10: white space"),
        (vec!["\t foo=1 \t"], "foo=1", "rule 10: white space around"),
        (vec!["foo=1,foo=1"], "foo=1", "the same key twice"),
        (vec!["foo=1", "foo=2"], "foo=1", "the same key twice, the first is the most recent"),
        (vec![&every], &every, "rule 12: every character"),
        (vec![&tenant], &tenant, "rule 12: and a tenant"),
        (vec!["foo@=1,a@b@c=2"], "foo@=1,a@b@c=2", "rule 12: @ is a character as others in Level 2"),
        (vec![&long_key], &long_key, "rule 12: a key of 256"),
        (vec![&longer_key], "", "rule 12: a key of 257"),
        (vec!["foo =1"], "", "rule 12: a space in a key"),
        (vec!["FOO=1"], "", "rule 12: upper case"),
        (vec!["foo.bar=1"], "", "rule 12: a dot"),
        (vec!["@foo=1,bar=2"], "", "rule 12: one bad key drops all"),
        (vec!["foo=bar=baz"], "", "rule 12: two equals signs"),
        (vec!["foo=,bar=3"], "", "rule 12: an empty value"),
        (vec![&full], &full, "rule 11: 32 members"),
        (vec![&too_many], "", "rule 11: 33 members"),
    ];
    for (values, expected, reason) in rows {
        let states = values.iter().map(|value| ("tracestate", *value));
        let headers: Vec<_> = std::iter::once(("traceparent", VALID)).chain(states).collect();
        let got = ingress.forward(&headers);
        assert_eq!(parts(&got).0, TRACE, "rule 14: a state never harms its parent: {reason}");
        assert_eq!(state(&got), expected, "{reason}");
    }
    for (name, expected) in
        [("TraceState", "foo=1"), ("TRACESTATE", "foo=1"), ("trace-state", ""), ("trace.state", "")]
    {
        let got = ingress.forward(&[("traceparent", VALID), (name, "foo=1")]);
        assert_eq!(state(&got), expected, "{name}");
    }
    let first_long = format!("a={},b={},c=1", "x".repeat(254), "y".repeat(254));
    let got = ingress.forward(&[("traceparent", VALID), ("tracestate", &first_long)]);
    assert_eq!(state(&got), format!("a={},c=1", "x".repeat(254)), "rule 13: long entries go first");
}
