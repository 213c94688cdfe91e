//! Meshes of more than two services, and many requests at once.

use std::collections::BTreeMap;

use super::*;

/// Requests under way at the same time.
const AT_ONCE: u64 = 24;

/// A service that calls these.
fn calling(name: &str, callees: &[&str]) -> String {
    let calls = callees.iter().map(|callee| format!(r#""{callee}": {{"variable": "NEXT_{callee}"}}"#));
    format!(r#""{name}": {{"command": {}, "calls": {{{}}}}}"#, app(), calls.collect::<Vec<_>>().join(", "))
}

/// A trace as nested kinds, such as `s(c(s(c)))`; children in the order of their texts.
fn shape(spans: &[&Span], parent: &str) -> String {
    let mut children: Vec<String> = spans
        .iter()
        .filter(|span| span.parent == parent)
        .map(|span| {
            let kind = if span.kind == SERVER { "s" } else { "c" };
            assert!(matches!(span.kind, SERVER | CLIENT), "{span:?}");
            match shape(spans, &span.span_id) {
                below if below.is_empty() => kind.to_owned(),
                below => format!("{kind}({below})"),
            }
        })
        .collect();
    children.sort();
    children.join(",")
}

/// Sends requests of different traces at the same time; every one of them must have this shape.
fn all_have(services: &[String], expected: &str) {
    let sink = Sink::start();
    let collector = format!("http://127.0.0.1:{}", sink.port());
    let services = format!("{{{}}}", services.join(", "));
    let count = services.matches("command").count();
    let mut mesh = Mesh::start("web", &services, &["--otlp-endpoint", &collector]);
    mesh.ready(count);
    let entry = mesh.entry();
    let trace_id = |number: u64| format!("{:032x}", 0xabc0_0000 + number);
    std::thread::scope(|scope| {
        for number in 1..=AT_ONCE {
            let request =
                Request::get("/list").header("traceparent", format!("00-{}-{PARENT}-01", trace_id(number)));
            scope.spawn(move || assert_eq!(request.send_http1(entry).status, 200));
        }
    });
    let each = expected.matches(['s', 'c']).count();
    let wanted = each * usize::try_from(AT_ONCE).unwrap();
    let spans = wait::until("all spans", || Some(sink.spans()).filter(|spans| spans.len() >= wanted));
    mesh.interrupt();
    let (code, _, stderr) = mesh.end();
    assert_eq!(code, Some(0), "{stderr}");
    let spans: Vec<Span> = spans.iter().map(span).collect();
    let mut by_trace: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    spans.iter().for_each(|span| by_trace.entry(&span.trace_id).or_default().push(span));
    assert_eq!(by_trace.len(), usize::try_from(AT_ONCE).unwrap());
    for (trace, spans) in by_trace {
        assert_eq!(spans.len(), each, "{trace}: {spans:#?}");
        assert_eq!(shape(&spans, PARENT), expected, "{trace}: {spans:#?}");
    }
}

/// ```text
/// web ─▶ middle ─▶ emoji: five sidecars
/// ```
#[test]
fn a_chain_of_three_is_one_line() {
    let services = [calling("web", &["middle"]), calling("middle", &["emoji"]), calling("emoji", &[])];
    all_have(&services, "s(c(s(c(s(c(s(c(s(c)))))))))");
}

/// ```text
/// web ─▶ emoji
///     └▶ voting ─▶ emoji
/// ```
#[test]
fn a_fan_out_is_a_tree() {
    let services =
        [calling("web", &["emoji", "voting"]), calling("voting", &["emoji"]), calling("emoji", &[])];
    let call = |below: &str| format!("s(c(s(c{below})))");
    let voting = call(&format!("({})", call("")));
    all_have(&services, &format!("s(c({voting},{}))", call("")));
}
