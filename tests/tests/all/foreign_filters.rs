//! Filters that nobody here wrote, and those of other languages, do in this host what they promise.
//! Where they come from: `tests/guests/README.md`; `tests/guests/build` makes them.

use meshspan::host::AbiVersion;
use meshspan::time::Timestamp;
use meshspan::vm::{
    CallReply, Filter, HeaderMap, Limits, OutboundKind, PluginOptions, StreamAction, StreamId, Verdict, Vm,
};
use meshspan_tests::tools;

/// The published Rust SDKs whose examples are run, and the ABIs that they speak.
const SDKS: [(&str, AbiVersion); 2] = [("0.1.4", AbiVersion::V0_1_0), ("0.2.0", AbiVersion::V0_2_1)];

fn filter(name: &str) -> Filter {
    let wasm = std::fs::read(tools::guest(name)).unwrap();
    Filter::compile(&wasm, Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn start(name: &str, configuration: &str) -> Vm {
    let options = PluginOptions {
        configuration: configuration.into(),
        plugin_name: "add_header".into(),
        root_id: "add_header".into(),
        clusters: ["httpbin", "auth", "chat"].map(str::to_owned).into(),
        // 2026-11-22T05:00:00Z
        start: Timestamp::from_unix_nanos(1_795_323_600_000_000_000),
        ..PluginOptions::default()
    };
    filter(name).start(options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs `check` with the example of each published Rust SDK.
fn each_sdk(example: &str, configuration: &str, check: impl Fn(&mut Vm)) {
    for (version, abi) in SDKS {
        let name = format!("rust-sdk-{version}-{example}");
        assert_eq!(filter(&name).abi_version(), abi, "{name}");
        let mut vm = start(&name, configuration);
        check(&mut vm);
        assert!(vm.finish().unwrap(), "{name}");
    }
}

fn request(path: &str) -> HeaderMap {
    HeaderMap::from_pairs([(":method", "GET"), (":path", path), (":authority", "web"), ("x-a", "1")])
}

fn response() -> HeaderMap {
    HeaderMap::from_pairs([(":status", "200"), ("content-length", "6")])
}

fn opened(vm: &mut Vm, path: &str) -> (StreamId, Verdict) {
    let stream = vm.open_stream().unwrap();
    let verdict = vm.request_headers(stream, request(path), true).unwrap();
    (stream, verdict)
}

fn messages(vm: &mut Vm) -> Vec<String> {
    vm.take_logs().into_iter().map(|line| line.message).collect()
}

fn values<'a>(map: &'a HeaderMap, name: &str) -> Option<&'a str> {
    map.first(name).map(|value| std::str::from_utf8(value).unwrap())
}

#[test]
fn sdk_hello_world_tells_the_time_and_a_lucky_number() {
    each_sdk("hello_world", "", |vm| {
        assert_eq!(messages(vm), ["Hello, World!"]);
        assert_eq!(vm.tick_period().map(|period| period.as_secs()), Some(5));
        vm.tick().unwrap();
        let said = messages(vm).concat();
        let number = said.strip_prefix("It's 2026-11-22 05:00:00 UTC, your lucky number is ");
        let number = number.and_then(|rest| rest.strip_suffix('.')).unwrap_or_else(|| panic!("{said}"));
        assert!(number.parse::<u8>().is_ok(), "{said}");
    });
}

#[test]
fn sdk_http_auth_random_asks_and_then_lets_go_or_refuses() {
    each_sdk("http_auth_random", "", |vm| {
        let ask = |vm: &mut Vm| {
            let (stream, verdict) = opened(vm, "/");
            assert_eq!(verdict, Verdict::Pause);
            let call = vm.take_calls().pop().unwrap();
            let OutboundKind::Http { headers, .. } = &call.kind else { panic!("{call:?}") };
            assert_eq!(
                (call.upstream.as_slice(), values(headers, ":path")),
                (&b"httpbin"[..], Some("/bytes/1"))
            );
            assert_eq!(call.timeout.map(|timeout| timeout.as_secs()), Some(5));
            (stream, call.token)
        };
        let answer = |vm: &mut Vm, token, byte: u8| {
            let reply = CallReply::Http { headers: response(), body: vec![byte], trailers: HeaderMap::new() };
            vm.answer(token, reply).unwrap();
            messages(vm).concat()
        };
        let (granted, token) = ask(vm);
        let (refused, other) = ask(vm);
        assert_eq!(answer(vm, other, 7), "Access forbidden.");
        let actions = vm.take_stream_actions();
        let [(stream, StreamAction::LocalReply(reply))] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!(
            (*stream, reply.status, reply.body.as_slice()),
            (refused, 403, &b"Access forbidden.\n"[..])
        );
        assert_eq!(values(&reply.headers, "powered-by"), Some("proxy-wasm"));

        assert_eq!(answer(vm, token, 8), "Access granted.");
        assert_eq!(vm.take_stream_actions(), [(granted, StreamAction::ContinueRequest)]);
        assert_eq!(vm.response_headers(granted, response(), true).unwrap(), Verdict::Continue);
        assert_eq!(values(vm.response_map(granted), "powered-by"), Some("proxy-wasm"));
    });
}

#[test]
fn sdk_http_headers_shows_headers_and_answers_hello() {
    each_sdk("http_headers", "", |vm| {
        let (stream, verdict) = opened(vm, "/hello");
        let Verdict::LocalReply(reply) = verdict else { panic!("{verdict:?}") };
        assert_eq!((reply.status, reply.body.as_slice()), (200, &b"Hello, World!\n"[..]));
        assert_eq!(values(&reply.headers, "hello"), Some("World"));
        vm.close_stream(stream).unwrap();
        let id = 2;
        let said = messages(vm);
        assert_eq!(said[1], format!("#{id} -> :path: /hello"));
        assert_eq!(said.last().unwrap(), &format!("#{id} completed."));
        let (stream, verdict) = opened(vm, "/other");
        assert_eq!(verdict, Verdict::Continue);
        vm.response_headers(stream, response(), true).unwrap();
        assert_eq!(messages(vm).last().unwrap(), "#3 <- content-length: 6");
    });
}

#[test]
fn sdk_http_body_redacts_a_secret_whatever_its_chunks() {
    each_sdk("http_body", "", |vm| {
        for (chunks, expected) in [
            (["a sec", "ret"], "Original message body (8 bytes) redacted."),
            (["nothing ", "to hide"], "nothing to hide"),
        ] {
            let (stream, _) = opened(vm, "/");
            vm.response_headers(stream, response(), false).unwrap();
            assert_eq!(values(vm.response_map(stream), "content-length"), None);
            for chunk in chunks {
                assert_eq!(vm.response_body(stream, chunk.into(), false).unwrap(), Verdict::Pause);
            }
            assert_eq!(vm.response_body(stream, Vec::new(), true).unwrap(), Verdict::Continue);
            assert_eq!(String::from_utf8_lossy(vm.response_body_bytes(stream)), expected);
            vm.close_stream(stream).unwrap();
        }
    });
}

#[test]
fn sdk_http_config_puts_its_configuration_into_a_header() {
    each_sdk("http_config", "from the configuration", |vm| {
        let (stream, _) = opened(vm, "/");
        vm.response_headers(stream, response(), true).unwrap();
        assert_eq!(values(vm.response_map(stream), "custom-header"), Some("from the configuration"));
    });
}

#[test]
fn an_assemblyscript_filter_adds_a_header() {
    assert_eq!(filter("assemblyscript").abi_version(), AbiVersion::V0_2_0);
    // Without a configuration this runtime adds garbage, in Envoy, too: it gives the configuration's size for
    // the place of its size, and so never reads that nothing came.
    let mut vm = start("assemblyscript", "what ever you want");
    for _ in 0..3 {
        let (stream, verdict) = opened(&mut vm, "/");
        assert_eq!(verdict, Verdict::Continue);
        vm.response_headers(stream, response(), true).unwrap();
        assert_eq!(values(vm.response_map(stream), "hello"), Some("what ever you want"));
        vm.close_stream(stream).unwrap();
    }
    assert!(vm.finish().unwrap());
}

#[test]
fn a_go_filter_reads_writes_calls_and_replaces_a_body() {
    let mut vm = start("go", "hello from go");
    assert_eq!(messages(&mut vm), [r#"configured with "hello from go""#]);
    let (stream, verdict) = opened(&mut vm, "/a");
    assert_eq!(verdict, Verdict::Pause);
    assert_eq!(messages(&mut vm), ["/a with 4 headers, nope: false"]);
    let call = vm.take_calls().pop().unwrap();
    assert_eq!(call.upstream, b"auth");
    let reply = CallReply::Http { headers: response(), body: Vec::new(), trailers: HeaderMap::new() };
    vm.answer(call.token, reply).unwrap();
    assert_eq!(vm.take_stream_actions(), [(stream, StreamAction::ContinueRequest)]);
    let head = vm.request_map(stream);
    assert_eq!((values(head, "x-go"), values(head, "x-auth")), (Some("hello from go"), Some("200")));
    vm.response_headers(stream, response(), false).unwrap();
    assert_eq!(vm.response_body(stream, b"abc".to_vec(), false).unwrap(), Verdict::Pause);
    assert_eq!(vm.response_body(stream, b"def".to_vec(), true).unwrap(), Verdict::Continue);
    assert_eq!(vm.response_body_bytes(stream), b"hello from go, 6 bytes");
    for _ in 0..2_000 {
        // Enough for Go to collect its garbage.
        let (stream, _) = opened(&mut vm, "/many");
        vm.close_stream(stream).unwrap();
        let calls = vm.take_calls();
        vm.answer(calls[0].token, CallReply::HttpFailure).unwrap();
        vm.take_logs();
        vm.take_stream_actions();
    }
}

#[test]
fn the_rust_sdk_knows_the_callbacks_of_a_grpc_stream() {
    let mut vm = start("rust-grpc", "");
    vm.tick().unwrap();
    assert_eq!(messages(&mut vm), ["opened"]);
    let calls = vm.take_calls();
    let token = calls[0].token;
    let OutboundKind::GrpcStream { service, method, metadata } = &calls[0].kind else { panic!("{calls:?}") };
    assert_eq!((service.as_slice(), method.as_slice()), (&b"chat.Chat"[..], &b"Talk"[..]));
    assert_eq!(values(metadata, "x-room"), Some("7"));
    let said = |message: &[u8], end_of_stream| OutboundKind::GrpcStreamMessage {
        message: message.into(),
        end_of_stream,
    };
    assert_eq!(calls[1].kind, said(b"hello", false));

    let metadata = HeaderMap::from_pairs([("server", "s1")]);
    vm.answer(token, CallReply::GrpcInitialMetadata { metadata: metadata.clone() }).unwrap();
    vm.answer(token, CallReply::Grpc { message: b"hi".to_vec() }).unwrap();
    assert_eq!(vm.take_calls()[0].kind, said(b"hi", true));
    vm.answer(token, CallReply::GrpcTrailingMetadata { metadata }).unwrap();
    vm.answer(token, CallReply::GrpcClosed { status: 5, message: "no room".into() }).unwrap();
    let expected = ["1 initial, server s1", "message hi", "1 trailing", "closed 5 5 no room"];
    assert_eq!(messages(&mut vm), expected);
}
