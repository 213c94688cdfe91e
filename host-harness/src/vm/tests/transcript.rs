//! What a guest was told and asked for, in words, and the faults that can be asked for.

use super::*;
use crate::host::HostcallRecord;

fn instrumented(script: &Script) -> Vm {
    script.start(PluginOptions {
        instrumented: true,
        clusters: vec!["otel".into()],
        ..PluginOptions::default()
    })
}

/// The hostcalls of one callback, but for those that log statuses.
fn hostcalls(callback: &str, lines: &[&str], drive: impl Fn(&mut Vm)) -> Vec<HostcallRecord> {
    let mut vm = instrumented(&Script::new().on(callback, lines));
    vm.take_transcript();
    drive(&mut vm);
    let name = format!("proxy_on_{callback}");
    let callbacks = vm.take_transcript().callbacks.into_iter().filter(|callback| callback.name == name);
    callbacks
        .flat_map(|callback| callback.hostcalls)
        .filter(|hostcall| hostcall.name != "proxy_log")
        .collect()
}

fn request(vm: &mut Vm) {
    let stream = vm.open_stream().unwrap();
    let mut head = headers();
    head.add("authorization", "Bearer secret");
    vm.request_headers(stream, head, true).unwrap();
}

fn text(hostcall: &HostcallRecord) -> String {
    let fields = |fields: &[crate::host::Field]| {
        fields.iter().map(|field| format!("{}: {}", field.name, field.value)).collect::<Vec<_>>().join(", ")
    };
    format!("({}) {} [{}]", fields(&hostcall.arguments), hostcall.status, fields(&hostcall.gave))
}

#[test]
fn arguments_and_results_are_shown_in_words() {
    let rows = [
        ("get_header_map_value 0 'x-a' 64 68", r#"(map: request headers, key: "x-a") OK [value: "1"]"#),
        ("get_header_map_value 0 'nope' 64 68", r#"(map: request headers, key: "nope") NotFound []"#),
        ("get_header_map_value 9 'x-a' 64 68", r#"(map: 9, key: "x-a") BadArgument []"#),
        ("get_property 'request\\00path' 64 68", r#"(path: "request.path") OK [value: "/a?b"]"#),
        ("get_property 'request\\00size' 64 68", r#"(path: "request.size") NotFound []"#),
        (
            "add_header_map_value 0 'x-b' '\\ff\\fe'",
            r#"(map: request headers, key: "x-b", value: 0xfffe) OK []"#,
        ),
        (
            "add_header_map_value 0 131070 3 'v'",
            r#"(map: request headers, key: 3 bytes at 131070, outside memory, value: "v") InvalidMemoryAccess []"#,
        ),
        ("set_shared_data 'k' 'v' 0", r#"(key: "k", value: "v", cas: 0) OK []"#),
        ("get_shared_data 'k' 64 68 72", r#"(key: "k") OK [value: "v", cas: 1]"#),
        ("define_metric 2 'latency' 72", r#"(kind: histogram, metric: "latency") OK [id: 6]"#),
        ("increment_metric 6 L-1", "(id: 6, offset: -1) BadArgument []"),
        ("get_buffer_bytes 6 0 9 64 68", "(buffer: VM configuration, start: 0, size: 9) OK [value: \"\"]"),
        ("set_effective_context 77", "(context: 77) BadArgument []"),
        ("continue_stream 0", "(stream: request) OK []"),
        (
            "http_call 'nope' 0 0 0 0 0 0 9 72",
            r#"(upstream: "nope", headers: {}, body: "", trailers: {}, timeout_ms: 9) BadArgument []"#,
        ),
    ];
    let lines: Vec<&str> = rows.iter().map(|(line, _)| *line).collect();
    let found = hostcalls("request_headers", &lines, request);
    for ((line, expected), hostcall) in rows.iter().zip(&found) {
        assert_eq!(text(hostcall), *expected, "{line}");
        assert_eq!(hostcall.why.is_some(), !hostcall.is_ok(), "{line}");
    }
    assert_eq!(found.len(), rows.len());
}

#[test]
fn every_refusal_names_the_rule_and_where_it_is_written() {
    let rows = [
        (
            "get_header_map_value 0 ':host' 64 68",
            "HTTP/2's name of Host is :authority",
            "#proxy_get_header_map_value",
        ),
        (
            "get_header_map_value 0 'path' 64 68",
            "a pseudo-header's name begins with a colon",
            "#proxy_get_header_map_value",
        ),
        (
            "get_header_map_value 2 'x' 64 68",
            "response headers can be read and changed from their own callback until that returns Continue, and read in proxy_on_log, not in proxy_on_request_headers",
            "Context::getMap",
        ),
        (
            "get_header_map_value 6 'x' 64 68",
            "call headers are there in proxy_on_http_call_response only",
            "Context::getMap",
        ),
        ("get_header_map_value 8 'x' 64 68", "8 is no map type of the ABI", "#proxy_get_header_map_value"),
        ("get_property 'nope' 64 68", "its path's parts are separated by NUL", "#proxy_get_property"),
        ("get_buffer_bytes 7 0 9 64 68", "there is no plugin configuration now", "#proxy_get_buffer_bytes"),
        ("set_buffer_bytes 0 1 1 'x'", "a body can be replaced from its start", "copyFrom"),
        ("get_shared_data 'k' 64 68 72", "nobody has set that key", "#proxy_get_shared_data"),
        ("increment_metric 400 L1", "no metric was defined with that id", "#proxy_increment_metric"),
        ("http_call 'nope' 0 0 0 0 0 0 9 72", "unknown cluster \"nope\"", "Context::httpCall"),
        ("http_call 'otel' 0 0 0 0 0 0 9 72", "without the header :path", "Context::httpCall"),
        (
            "grpc_call 'nope_cluster' 's' 'm' 0 0 0 0 0 72",
            "neither a GrpcService message nor a known cluster",
            "Context::grpcCall",
        ),
        (
            "get_header_map_value 0 'x-a' 131070 68",
            "lies outside the guest's memory",
            "#proxy_get_header_map_value",
        ),
        ("done", "ends the wait that proxy_on_done asked for", "#proxy_done"),
    ];
    let lines: Vec<&str> = rows.iter().map(|(line, ..)| *line).collect();
    let found = hostcalls("request_headers", &lines, request);
    assert_eq!(found.len(), rows.len());
    for ((line, rule, see), hostcall) in rows.iter().zip(&found) {
        let why = hostcall.why.as_ref().unwrap_or_else(|| panic!("{line}: {hostcall:?}"));
        assert!(why.rule.contains(rule) && why.see.contains(see), "{line}: {why:?}");
    }
}

#[test]
fn secrets_are_left_out() {
    let lines = [
        "get_header_map_value 0 'Authorization' 64 68",
        "get_header_map_pairs 0 64 68",
        "get_property 'request\\00headers\\00authorization' 64 68",
        "get_property 'request\\00headers' 64 68",
        "replace_header_map_value 0 'cookie' 'secret'",
    ];
    let found = hostcalls("request_headers", &lines, request);
    let shown: Vec<String> = found.iter().map(text).collect();
    assert_eq!(found.len(), 5);
    assert!(shown.iter().all(|text| !text.contains("secret") && text.contains("(redacted)")), "{shown:#?}");
    assert!(shown[1].contains(r#":path: "/a?b", :authority: "web", x-a: "1""#), "{}", shown[1]);
}

#[test]
fn long_texts_are_cut() {
    let long = "x".repeat(500);
    let found = hostcalls("request_headers", &[&format!("add_header_map_value 0 'x' '{long}'")], request);
    let value = found[0].argument("value").unwrap();
    assert_eq!(value, format!("\"{}\"… (500 bytes)", "x".repeat(200)));
}

#[test]
fn callbacks_are_there_with_what_they_were_told_and_returned() {
    let mut vm =
        instrumented(&Script::new().on("request_headers", &["return 1"]).on("log", &["(unreachable)"]));
    let names = |transcript: &Transcript| -> Vec<String> {
        let shown = transcript.callbacks.iter();
        shown.map(|one| format!("{}{} {:?}", one.name, one.arguments, one.returned)).collect()
    };
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), false).unwrap();
    vm.request_body(stream, b"x".to_vec(), true).unwrap();
    vm.close_stream(stream).unwrap_err();
    let transcript = vm.take_transcript();
    let expected = [r#"proxy_on_request_headers(2, 5, 0) Some("1")"#, "proxy_on_log2 None"];
    assert_eq!(names(&transcript), expected, "callbacks that the guest does not have are not made");
    assert_eq!(transcript.of(stream).count(), 2);
    assert!(transcript.callbacks[1].has_failures() && !transcript.callbacks[0].has_failures());
    assert_eq!(vm.take_transcript(), Transcript::default(), "taken once");
}

#[test]
fn instruments_change_nothing_that_the_guest_sees() {
    let lines =
        ["get_header_map_value 0 'x-a' 64 68", "show", "get_property 'nope' 64 68", "get_log_level 64"];
    let script = Script::new().on("request_headers", &lines).on("tick", &["define_metric 0 'c' 64"]);
    let live = |mut vm: Vm| {
        request(&mut vm);
        vm.tick().unwrap();
        (said(&mut vm), vm.metrics(), vm.take_hostcalls(), vm.take_transcript().callbacks.len())
    };
    let (plain, probed) = (live(script.vm()), live(instrumented(&script)));
    assert_eq!((&plain.0, &plain.1, &plain.2), (&probed.0, &probed.1, &probed.2));
    assert_eq!((plain.3, probed.3 > 0), (0, true));
}

#[test]
fn faults_come_when_asked_for() {
    let lines = ["get_header_map_value 0 'x-a' 64 68", "get_header_map_value 0 'x-a' 64 68"];
    let script = Script::new().on("request_headers", &lines);
    let mut vm = instrumented(&script);
    vm.fail_allocation(2).unwrap();
    request(&mut vm);
    request(&mut vm);
    assert_eq!(said(&mut vm), ["0", "6", "0", "0"], "the second one, once");

    vm.trap_at_hostcall(3).unwrap();
    let stream = vm.open_stream().unwrap();
    let error = vm.request_headers(stream, headers(), true).unwrap_err().to_string();
    assert!(error.contains("a fault that was asked for, at proxy_get_header_map_value"), "{error}");
    assert!(vm.is_poisoned());
    let last = vm.take_transcript();
    assert_eq!(last.callbacks.last().unwrap().returned, None);

    assert!(matches!(script.vm().trap_at_hostcall(1), Err(VmError::NotInstrumented)));
    assert!(matches!(script.vm().fail_allocation(1), Err(VmError::NotInstrumented)));
}

#[test]
fn a_transcript_that_nobody_takes_is_bounded() {
    let mut vm = instrumented(&Script::new().on("tick", &["get_log_level 64"; 100]));
    for _ in 0..500 {
        vm.tick().unwrap();
        vm.take_logs();
    }
    let transcript = vm.take_transcript();
    let kept: usize = transcript.callbacks.iter().map(|callback| 1 + callback.hostcalls.len()).sum();
    assert_eq!(kept, crate::host::MAX_TRANSCRIPT_HOSTCALLS);
    assert!(transcript.left_out > 30_000, "{}", transcript.left_out);
    let said: u64 = transcript.callbacks.iter().map(|callback| callback.left_out).sum();
    assert!((30_000..=transcript.left_out).contains(&said), "callbacks say what is missing: {said}");
}
