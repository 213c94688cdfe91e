//! The page in a real Chromium: each test is a journey, and `tests/browser` says what is done on it.
//! Every state that a journey inspects is held against axe's rules, light and dark.

use std::path::PathBuf;

use meshspan_tests::browser::{Viewer, demo_traces, journey};
use meshspan_tests::collect::Collect;
use meshspan_tests::tools;
use meshspan_tests::traces::{CLIENT, INTERNAL, SERVER, Span, lines};

/// A viewer of the demo's traces.
fn demo() -> Viewer {
    Viewer::start::<&str>(&[demo_traces()], &[])
}

/// A viewer of the demo's traces and of these.
fn with(text: &str) -> (Viewer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spans.jsonl");
    std::fs::write(&file, text).unwrap();
    (Viewer::start::<PathBuf>(&[demo_traces(), file], &[]), folder)
}

#[test]
fn search_by_each_field() {
    demo().journey("search");
}

/// The same application twice, three days apart.
#[test]
fn a_scatter_of_several_days() {
    let first = lines(0xa1, [Span::new("shop", 1, None, "ask", SERVER, 0..90)]);
    let last = lines(0xa2, [Span::new("shop", 1, None, "ask", SERVER, 0..50)]);
    let (mut viewer, _folder) = with(&(first + &last.replace("\"1795323600", "\"1795582800")));
    viewer.journey("scatter");
}

#[test]
fn open_a_trace_and_a_span_and_come_back_by_its_address() {
    demo().journey("trace");
}

/// Of Jaeger's page, with a slash, and wrong.
#[test]
fn addresses_that_people_have() {
    let span = Span::new("shop", 1, None, "ask", SERVER, 0..90).attribute("note", r#"said "a b" \"#);
    let (mut viewer, _folder) = with(&lines(0xd, [span]));
    viewer.journey("addresses");
}

#[test]
fn all_of_it_on_a_narrow_screen() {
    demo().journey("narrow");
}

#[test]
fn fold_collapse_zoom_and_find() {
    demo().journey("rows");
}

#[test]
fn compare_two_traces() {
    demo().journey("compare");
}

#[test]
fn upload_what_others_saved() {
    demo().journey("upload");
}

#[test]
fn save_a_trace_as_a_page_and_open_it_without_a_network() {
    demo().journey("export");
}

#[test]
fn jaegers_own_ui_over_our_traces() {
    let arguments = ["--jaeger-ui-assets".into(), tools::jaeger_ui()];
    Viewer::start(&[demo_traces()], &arguments).journey("jaeger");
}

/// As behind an ingress: a request for anything outside the prefix fails the journey.
#[test]
fn the_page_below_a_base_path() {
    let arguments = ["--base-path", "/ops/traces"];
    Viewer::start(&[demo_traces()], &arguments).journey("prefix");
}

#[test]
fn jaegers_own_ui_below_a_base_path() {
    let assets = tools::jaeger_ui().into_os_string();
    let arguments = ["--base-path".into(), "/ops/traces/".into(), "--jaeger-ui-assets".into(), assets];
    Viewer::start(&[demo_traces()], &arguments).journey("jaeger");
}

/// Two services call each other.
#[test]
fn the_service_graph() {
    let spans = [
        Span::new("left", 1, None, "ask", SERVER, 0..90),
        Span::new("right", 2, Some(1), "ask back", SERVER, 10..80),
        Span::new("left", 3, Some(2), "answer", SERVER, 20..70),
    ];
    let (mut viewer, _folder) = with(&lines(0xc, spans));
    viewer.journey("graph");
}

#[test]
fn all_of_it_by_keyboard() {
    demo().journey("keyboard");
}

#[test]
fn traces_are_seen_as_they_arrive() {
    let collect = Collect::start(&["--in-memory"]);
    let (page, http) = (collect.ports().page, collect.ports().http);
    let folder = tempfile::tempdir().unwrap();
    let otlp = ("OTLP", format!("http://127.0.0.1:{http}/v1/traces"));
    let grpc = ("GRPC_PORT", collect.ports().grpc.to_string());
    journey("arriving", &format!("127.0.0.1:{page}"), folder.path(), &[otlp, grpc]);
}

/// ```text
/// 1 vote-bot CLIENT
/// └ 2 web inbound SERVER
///   └ 3 web inbound CLIENT     the application of web calls without the context that it got
/// 4 web outbound SERVER        its parent is missing
/// └ 5 web outbound CLIENT
///   └ 6 emoji inbound SERVER
/// ```
#[test]
fn where_the_context_was_lost() {
    let spans = [
        Span::new("vote-bot", 1, None, "GET /vote", CLIENT, 0..100_000),
        Span::new("web", 2, Some(1), "GET /vote", SERVER, 5_000..95_000).of_proxy("inbound"),
        Span::new("web", 3, Some(2), "GET /vote", CLIENT, 6_000..94_000).of_proxy("inbound"),
        Span::new("web", 4, Some(0x63), "Find", SERVER, 20_000..60_000).of_proxy("outbound"),
        Span::new("web", 5, Some(4), "Find", CLIENT, 21_000..59_000).of_proxy("outbound").failed("reset"),
        Span::new("emoji", 6, Some(5), "Find", SERVER, 30_000..50_000).of_proxy("inbound"),
    ];
    let (mut viewer, _folder) = with(&lines(0xb0, spans));
    viewer.journey("broken");
}

/// The clock of emoji is 65 ms ahead.
#[test]
fn another_clock_is_marked_and_corrected_when_asked() {
    let spans = [
        Span::new("web", 1, None, "GET /list", SERVER, 0..80_000),
        Span::new("web", 2, Some(1), "List", CLIENT, 10_000..70_000),
        Span::new("emoji", 3, Some(2), "List", SERVER, 85_000..125_000),
        Span::new("emoji", 4, Some(3), "read", INTERNAL, 90_000..110_000),
    ];
    let (mut viewer, _folder) = with(&lines(0x5e, spans));
    viewer.journey("skew");
}

/// Twenty services call each other in chains of ten, a thousand times.
#[test]
fn ten_thousand_spans_stay_smooth() {
    let root = Span::new("service-0", 1, None, "all", SERVER, 0..10_000_000);
    let spans = (2..=10_000_u64).map(|id| {
        let (chain, depth) = ((id - 2) / 10, (id - 2) % 10);
        let parent = if depth == 0 { 1 } else { id - 1 };
        let (from, margin) = (chain * 10_000, depth * 400);
        let service = format!("service-{}", (chain + depth) % 20);
        let kind = if depth % 2 == 0 { CLIENT } else { SERVER };
        let span = Span::new(
            &service,
            id,
            Some(parent),
            &format!("step {depth}"),
            kind,
            from + margin..from + 9_900 - margin,
        );
        if id % 997 == 0 { span.failed("too late") } else { span }.attribute("number", &id.to_string())
    });
    let (mut viewer, _folder) = with(&lines(0x10_000, std::iter::once(root).chain(spans)));
    viewer.journey("large");
}
