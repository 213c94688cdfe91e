//! Two plugins in one VM, in a real Envoy and in the harness: what each of them is told is the same.

use std::collections::BTreeMap;

use meshspan::host::{HeaderMap, StreamAction};
use meshspan::vm::{CallReply, Filter, Limits, PluginOptions, RootId, RootOptions, StreamId, Verdict, Vm};
use meshspan_tests::client::Request;
use meshspan_tests::envoy::{Config, Envoy};
use meshspan_tests::process::free_port;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::{guests, wait};

const BOOTSTRAP: &str = include_str!("../../envoy/guests.yaml");
const LISTENER: &str = include_str!("../../envoy/roots-listener.yaml");
const REQUESTS: usize = 3;

/// What was told, by context: those of the plugins are 1 and 2.
type Told = BTreeMap<u32, Vec<String>>;

#[test]
fn two_plugins_in_one_vm_are_told_what_envoy_tells_them() {
    let (envoys, ours) = (in_envoy(), in_the_harness());
    assert_eq!(envoys, ours, "left Envoy, right the harness");
    let of = |context: u32, line: &str| assert!(ours[&context].contains(&line.to_owned()), "{ours:#?}");
    of(1, "tick of → 0 \"one\"");
    of(2, "from it → 0 \"one\"");
    of(4, "in the VM: one two");
    of(4, "plugin_name → 0 \"plugin two\"");
    assert_eq!(ours.len(), 2 + 2 * REQUESTS);
}

/// Requests through a real Envoy with both as HTTP filters, one after the other.
fn in_envoy() -> Told {
    let (upstream, oracle, port) = (Upstream::start(), Upstream::start(), free_port());
    let listener = LISTENER.replace("PORT", &port.to_string());
    let yaml = BOOTSTRAP.replace("\nLISTENERS\n", &format!("\n{listener}"));
    let config = Config::of(yaml).filter(&guests::wasm()).port(8080, upstream.port());
    let envoy = config.port(8081, oracle.port()).start();
    for _ in 0..REQUESTS {
        assert_eq!(Request::get("/").send_http1(port).status, 200);
    }
    wait::until("every stream to end and every message to come", || {
        let told = told(messages(&envoy));
        let count = |line: &str| told.values().flatten().filter(|told| told.starts_with(line)).count();
        (count("> delete") == 2 * REQUESTS && count("from it") == 2 * REQUESTS).then_some(told)
    })
}

/// Lines such as `[…] wasm log NAME ROOT_ID VM_ID: MESSAGE`.
fn messages(envoy: &Envoy) -> Vec<String> {
    let log = envoy.log();
    let told = log.lines().filter_map(|line| line.split_once("] wasm log ")?.1.split_once(": "));
    told.map(|(_, message)| message.to_owned()).collect()
}

/// The same requests through a VM with both.
fn in_the_harness() -> Told {
    let filter = Filter::compile(&guests::wasm(), Limits::default()).unwrap();
    let options = PluginOptions {
        configuration: b"roots".into(),
        plugin_name: "plugin one".into(),
        root_id: "one".into(),
        vm_id: "both".into(),
        clusters: vec!["oracle".into()],
        ..PluginOptions::default()
    };
    let mut vm = filter.start(options).unwrap();
    let second = RootOptions {
        configuration: b"roots".into(),
        plugin_name: "plugin two".into(),
        root_id: "two".into(),
    };
    let second = vm.add_root(second).unwrap();
    assert!(vm.tick_period().is_some() && vm.tick_period_of(second).is_none());
    vm.tick().unwrap();
    for _ in 0..REQUESTS {
        request(&mut vm, &[RootId::FIRST, second]);
    }
    told(vm.take_logs().into_iter().map(|line| line.message))
}

/// A request through both plugins, its response back through them, and the end.
fn request(vm: &mut Vm, chain: &[RootId]) {
    let streams: Vec<StreamId> = chain.iter().map(|root| vm.open_stream_of(*root).unwrap()).collect();
    for &stream in &streams {
        let head = HeaderMap::from_pairs([(":method", "GET"), (":path", "/"), (":authority", "web")]);
        assert_eq!(vm.request_headers(stream, head, true).unwrap(), Verdict::Pause);
        for call in vm.take_calls() {
            let headers = HeaderMap::from_pairs([(":status", "200"), ("content-type", "text/plain")]);
            let reply = CallReply::Http { headers, body: b"done\n".into(), trailers: HeaderMap::new() };
            vm.answer(call.token, reply).unwrap();
        }
        assert_eq!(vm.take_stream_actions(), [(stream, StreamAction::ContinueRequest)]);
    }
    for &stream in streams.iter().rev() {
        let head = HeaderMap::from_pairs([(":status", "200")]);
        assert_eq!(vm.response_headers(stream, head, true).unwrap(), Verdict::Continue);
    }
    for stream in streams {
        vm.close_stream(stream).unwrap();
    }
    vm.run_queues().unwrap();
}

/// What differs from proxy to proxy (how many entries heads have, and that Envoy shows the end of a body), and how
/// plugins are configured: Envoy's canaries are told of that, too.
const LEFT_OUT: [&str; 7] =
    ["> request_", "> response_", "> http_call", "< ", "register → ", "tick → ", "exchange "];

/// By context. Of the first tick once: Envoy's canary may live to see one.
fn told(messages: impl IntoIterator<Item = String>) -> Told {
    let mut told = Told::new();
    for message in messages {
        let Some((context, text)) = message.split_once(' ') else { continue };
        let Ok(context) = context.parse() else { continue };
        if LEFT_OUT.iter().any(|start| text.starts_with(start)) {
            continue;
        }
        let lines: &mut Vec<String> = told.entry(context).or_default();
        let is_of_a_tick = text.starts_with("tick of") || text.starts_with("proxy_done of one");
        if !(is_of_a_tick && lines.iter().any(|line| line == text)) {
            lines.push(text.to_owned());
        }
    }
    told
}
