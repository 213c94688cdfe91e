//! CEL expressions through the foreign functions `expr_create`, `expr_evaluate` and `expr_delete`: one guest in a real
//! Envoy and in the harness, and the same answers, byte for byte.

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use meshspan::host::{HeaderMap, decode_pairs};
use meshspan::time::Timestamp;
use meshspan::vm::{Filter, Limits, PluginOptions, PropertyValue, StreamId, Vm};
use meshspan_tests::client::Request;
use meshspan_tests::envoy::Config;
use meshspan_tests::process::free_port;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::{guests, wait};

use rows::{DIFFERENT, EQUAL, UNORDERED};

const BOOTSTRAP: &str = include_str!("../../envoy/guests.yaml");
const LISTENER: &str = include_str!("../../envoy/roots-listener.yaml");
/// Envoy's own headers beside those that the client sends.
const ADDED: [(&str, &[u8]); 2] =
    [("x-forwarded-proto", b"http"), ("x-request-id", b"11111111-2222-4333-8444-555555555555")];

/// What a client asks for: method, path, headers.
type Exchange = (&'static str, &'static str, &'static [(&'static str, &'static [u8])]);

const EXCHANGES: [Exchange; 3] = [
    (
        "GET",
        "/books/7?lang=en",
        &[("x-one", b"1"), ("x-twice", b"a"), ("x-twice", b"b"), ("user-agent", b"curl/8")],
    ),
    ("POST", "/status/503", &[("x-one", "gr\u{fc}n".as_bytes()), ("referer", b"http://meshspan.test/")]),
    ("DELETE", "/status/204?a=b&c=d", &[("x-one", b"gr\xfcn")]),
];

/// The answers of one host: exchange, callback and expression → what came.
type Answers = BTreeMap<(usize, String), String>;

#[test]
fn expressions_have_envoys_values() {
    let texts: Vec<&str> =
        EQUAL.iter().chain(UNORDERED).copied().chain(DIFFERENT.iter().map(|row| row.0)).collect();
    let same = EQUAL.len() + UNORDERED.len();
    assert!(same >= 40);
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len(), "a row is there twice");
    let (theirs, ours) = (envoys(&texts), ours(&texts));
    let mut wrong = Vec::new();
    let mut differing = BTreeSet::new();
    // An expression that is refused has no values.
    let nothing = "nothing".to_owned();
    for key in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let [theirs, ours] = [&theirs, &ours].map(|answers| answers.get(key).unwrap_or(&nothing));
        let place = key.1.rsplit(' ').next().and_then(|place| place.parse::<usize>().ok());
        let is_ordered = place.is_none_or(|place| !UNORDERED.contains(&texts[place]));
        if theirs == ours || !is_ordered && pairs(theirs) == pairs(ours) {
            continue;
        }
        match place {
            Some(place) if place >= same => drop(differing.insert(place - same)),
            _ => {
                let text = place.map_or("", |place| texts[place]);
                wrong.push(format!("{key:?} {text}: Envoy {theirs}, the harness {ours}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for (place, (text, reason)) in DIFFERENT.iter().enumerate() {
        assert!(differing.contains(&place), "{text} does not differ any more: {reason}");
    }
}

/// The pairs of an answer that is a list or a map, in order.
fn pairs(answer: &str) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let map = decode_pairs(&hex::decode(answer.strip_prefix("0 ")?).unwrap())?;
    let mut pairs: Vec<_> = map.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    pairs.sort();
    Some(pairs)
}

fn asked(texts: &[&str]) -> String {
    texts.iter().map(hex::encode).collect::<Vec<_>>().join(",")
}

fn envoys(texts: &[&str]) -> Answers {
    let (upstream, port) = (Upstream::start(), free_port());
    let listener = LISTENER.replace("PORT", &port.to_string()).replace("value: roots", "value: expressions");
    let yaml = BOOTSTRAP.replace("\nLISTENERS\n", &format!("\n{listener}"));
    let envoy = Config::of(yaml).filter(&guests::wasm()).port(8080, upstream.port()).start();
    let mut all = Answers::new();
    let mut seen = 0;
    for (number, (method, path, headers)) in EXCHANGES.iter().enumerate() {
        let request = Request::new(method, "meshspan.test", path).header("x-expressions", asked(texts));
        let request = headers
            .iter()
            .chain(&ADDED[1..])
            .fold(request, |request, (name, value)| request.header(name, value));
        request.send_http1(port);
        let lines = wait::until("the exchange's end", || {
            let log = envoy.log();
            let prefix = "] wasm log plugin one one both: ";
            let lines = log.lines().filter_map(|line| Some(line.split_once(prefix)?.1.to_owned()));
            let new: Vec<String> = lines.skip(seen).collect();
            new.iter().any(|line| line.contains("evaluate again")).then_some(new)
        });
        seen += lines.len();
        gather(&mut all, number, lines.iter().map(String::as_str));
    }
    all
}

fn ours(texts: &[&str]) -> Answers {
    let filter = Filter::compile(&guests::wasm(), Limits::default()).unwrap();
    let text = |text: &str| PropertyValue::Bytes(text.into());
    let node = |name: &str, value: &str| (vec!["xds".into(), "node".into(), name.into()], text(value));
    let options = PluginOptions {
        configuration: b"expressions".into(),
        plugin_name: "plugin one".into(),
        root_id: "one".into(),
        vm_id: "both".into(),
        properties: vec![
            node("id", "node-1"),
            node("cluster", "cluster-1"),
            (vec!["xds".into(), "listener_direction".into()], PropertyValue::Int(0)),
            (vec!["xds".into(), "cluster_name".into()], text("app")),
        ],
        ..PluginOptions::default()
    };
    let mut vm = filter.start(options).unwrap();
    let mut all = Answers::new();
    for (number, (method, path, headers)) in EXCHANGES.iter().enumerate() {
        let stream = vm.open_stream().unwrap();
        known(&mut vm, stream);
        let asked = asked(texts);
        let mut head = HeaderMap::from_pairs([
            (":authority", "meshspan.test"),
            (":path", path),
            (":method", method),
            (":scheme", "http"),
            ("x-expressions", &asked),
            ("content-length", "0"),
        ]);
        headers.iter().chain(&ADDED).for_each(|(name, value)| head.add(name, value));
        vm.request_headers(stream, head, true).unwrap();
        answered(&mut vm, stream);
        let status = path.strip_prefix("/status/").map_or("200", |status| &status[..3]);
        let head = [(":status", status), ("content-type", "text/plain"), ("content-length", "5")];
        vm.response_headers(stream, HeaderMap::from_pairs(head), true).unwrap();
        vm.close_stream(stream).unwrap();
        gather(&mut all, number, vm.take_logs().iter().map(|line| line.message.as_str()));
    }
    all
}

/// What the proxy knows of every request.
fn known(vm: &mut Vm, stream: StreamId) {
    let text = |text: &str| PropertyValue::Bytes(text.into());
    let at = Timestamp::from_unix_nanos(1_790_000_000_123_456_789);
    let all: [(&[&str], PropertyValue); 14] = [
        (&["request", "time"], PropertyValue::Timestamp(at)),
        (&["request", "protocol"], text("HTTP/1.1")),
        (&["request", "size"], PropertyValue::Int(0)),
        (&["connection", "id"], PropertyValue::Uint(1)),
        (&["connection", "mtls"], PropertyValue::Bool(false)),
        (&["connection", "requested_server_name"], text("")),
        (&["source", "address"], text("127.0.0.1:40000")),
        (&["source", "port"], PropertyValue::Int(40000)),
        (&["destination", "address"], text("127.0.0.1:80")),
        (&["destination", "port"], PropertyValue::Int(80)),
        (&["xds", "route_name"], text("")),
        (&["connection_id"], PropertyValue::Uint(1)),
        (&["response", "flags"], PropertyValue::Int(0)),
        (&["response", "size"], PropertyValue::Int(0)),
    ];
    for (path, value) in all {
        vm.set_property(stream, path, value);
    }
}

/// What the proxy knows once the upstream has answered.
fn answered(vm: &mut Vm, stream: StreamId) {
    let text = |text: &str| PropertyValue::Bytes(text.into());
    vm.set_property(stream, &["response", "code_details"], text("via_upstream"));
    vm.set_property(stream, &["upstream", "address"], text("127.0.0.1:8080"));
}

/// Adds the lines `CONTEXT KEY → ANSWER`.
fn gather<'a>(all: &mut Answers, exchange: usize, lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        let told = line.split_once(' ').and_then(|(_, told)| told.split_once(" → "));
        if let Some((key, answer)) = told {
            all.insert((exchange, key.to_owned()), answer.to_owned());
        }
    }
}
