//! The status of each family's hostcalls, in and outside their phases.

use super::*;

fn in_request(vm: &mut Vm) {
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
}

#[test]
fn header_maps_follow_envoy() {
    let rows = [
        ("present", "get_header_map_value 0 'x-a' 64 68", 0),
        ("names are compared without case", "get_header_map_value 0 'X-A' 64 68", 0),
        ("missing", "get_header_map_value 0 'nope' 64 68", 1),
        ("the response has not come", "get_header_map_value 2 'x-a' 64 68", 2),
        ("no such map", "get_header_map_value 8 'x-a' 64 68", 2),
        ("a name outside memory", "get_header_map_value 0 131070 3 64 68", 6),
        ("a name that wraps around", "get_header_map_value 0 -1 -1 64 68", 6),
        ("out pointer outside memory", "get_header_map_value 0 'x-a' 131070 68", 6),
        ("pairs in phase", "get_header_map_pairs 0 64 68", 0),
        ("pairs outside phase", "get_header_map_pairs 2 64 68", 0),
        ("pairs of no such map", "get_header_map_pairs 9 64 68", 2),
        ("size in phase", "get_header_map_size 0 64", 0),
        ("size outside phase", "get_header_map_size 3 64", 2),
        ("add", "add_header_map_value 0 'n' 'v'", 0),
        ("add outside phase", "add_header_map_value 2 'n' 'v'", 2),
        ("add a value outside memory", "add_header_map_value 0 'n' 1 -1", 6),
        ("replace", "replace_header_map_value 0 'n' 'w'", 0),
        ("replace outside phase", "replace_header_map_value 6 'n' 'w'", 2),
        ("remove what is there", "remove_header_map_value 0 'n'", 0),
        ("remove what is not there", "remove_header_map_value 0 'n'", 0),
        ("remove outside phase", "remove_header_map_value 1 'n'", 2),
        ("set pairs outside memory", "set_header_map_pairs 0 0 -1", 6),
        ("set pairs outside phase", "set_header_map_pairs 2 0 0", 2),
    ];
    check_statuses("request_headers", &rows, in_request);
}

#[test]
fn header_edits_are_seen_by_the_proxy() {
    let lines = [
        "get_header_map_value 0 'x-a' 64 68",
        "show",
        "add_header_map_value 0 'X-New' 'n'",
        "replace_header_map_value 0 'x-a' 'r'",
        "remove_header_map_value 0 ':path'",
    ];
    let mut vm = Script::new().on("request_headers", &lines).vm();
    let stream = vm.open_stream().unwrap();
    assert_eq!(vm.request_headers(stream, headers(), true).unwrap(), Verdict::Continue);
    assert_eq!(said(&mut vm)[..2], ["0", "1"], "the first of a repeated value");
    let expected = [(":method", "GET"), (":authority", "web"), ("x-new", "n"), ("x-a", "r")];
    assert_eq!(*vm.request_map(stream), HeaderMap::from_pairs(expected));
    assert!(vm.response_map(stream).is_empty());
    vm.close_stream(stream).unwrap();
    assert!(vm.request_map(stream).is_empty(), "the stream is gone");
}

#[test]
fn an_oversized_or_malformed_map_is_taken_as_empty() {
    let lines = ["(i32.store (i32.const 512) (i32.const 1025))", "set_header_map_pairs 0 512 4"];
    let mut vm = Script::new().on("request_headers", &lines).vm();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), true).unwrap();
    assert_eq!(said(&mut vm)[1], "0");
    assert!(vm.request_map(stream).is_empty());
}

#[test]
fn maps_can_be_read_in_their_phase_and_in_the_log() {
    let lines = [
        "get_header_map_value 0 ':path' 64 68",
        "get_header_map_value 1 't' 64 68",
        "get_header_map_value 2 ':status' 64 68",
        "get_header_map_value 2 'nope' 64 68",
        "add_header_map_value 2 'a' 'b'",
        "get_property 'request\\00path' 64 68",
    ];
    let mut vm = Script::new().on("response_body", &lines).on("log", &lines).vm();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), false).unwrap();
    vm.request_trailers(stream, HeaderMap::from_pairs([("t", "1")])).unwrap();
    vm.response_headers(stream, HeaderMap::from_pairs([(":status", "200")]), false).unwrap();
    vm.response_body(stream, b"x".to_vec(), true).unwrap();
    assert_eq!(said(&mut vm), ["2", "2", "2", "2", "2", "1"], "after Continue");
    vm.close_stream(stream).unwrap();
    assert_eq!(said(&mut vm), ["0", "1", "0", "1", "2", "0"], "in on_log, but for request trailers");
}

#[test]
fn bodies_are_read_and_changed_in_their_phase() {
    let rows = [
        ("all of it", "get_buffer_bytes 0 0 100 64 68", 0),
        ("from beyond the end", "get_buffer_bytes 0 6 1 64 68", 0),
        ("an end beyond all numbers", "get_buffer_bytes 0 1 -1 64 68", 0),
        ("the response's is empty", "get_buffer_bytes 1 0 100 64 68", 0),
        ("no such buffer", "get_buffer_bytes 9 0 1 64 68", 2),
        ("no call's answer is there", "get_buffer_bytes 4 0 1 64 68", 1),
        ("no gRPC message either, but Envoy says so", "get_buffer_bytes 5 0 1 64 68", 0),
        ("the plugin's, outside configure", "get_buffer_bytes 7 0 1 64 68", 1),
        ("the VM's, at any time", "get_buffer_status 6 64 68", 0),
        ("status outside memory", "get_buffer_status 0 131070 68", 6),
        ("append", "set_buffer_bytes 0 5 0 '!'", 0),
        ("a part", "set_buffer_bytes 0 1 1 '!'", 2),
        ("the response's is not there", "set_buffer_bytes 1 0 0 '!'", 2),
        ("the configuration cannot be changed", "set_buffer_bytes 6 0 0 '!'", 2),
        ("bytes outside memory", "set_buffer_bytes 0 0 0 0 -1", 6),
    ];
    check_statuses("request_body", &rows, |vm| {
        let stream = vm.open_stream().unwrap();
        vm.request_headers(stream, headers(), false).unwrap();
        vm.request_body(stream, b"hello".to_vec(), true).unwrap();
        assert_eq!(vm.request_body_bytes(stream), b"hello!");
    });
}

#[test]
fn a_held_body_grows_until_it_is_let_go() {
    let pause_first = "(if (i32.lt_u (local.get 1) (i32.const 4)) (then (return (i32.const 1))))";
    let mut vm =
        Script::new().on("request_body", &[pause_first, "get_buffer_bytes 0 0 9 64 68", "show"]).vm();
    let stream = vm.open_stream().unwrap();
    vm.request_headers(stream, headers(), false).unwrap();
    assert_eq!(vm.request_body(stream, b"ab".to_vec(), false).unwrap(), Verdict::Pause);
    assert_eq!(vm.request_body(stream, b"cd".to_vec(), false).unwrap(), Verdict::Continue);
    assert_eq!(vm.request_body(stream, b"ef".to_vec(), true).unwrap(), Verdict::Pause, "a new chunk of two");
    assert_eq!(said(&mut vm), ["0", "abcd"]);
}

#[test]
fn properties_come_from_the_stream_the_plugin_and_the_headers() {
    let rows = [
        ("of the plugin", "get_property 'plugin_name' 64 68", 0),
        ("of the stream", "get_property 'source\\00address' 64 68", 0),
        ("from the headers", "get_property 'request\\00headers\\00x-a' 64 68", 0),
        ("a trailing NUL is allowed", "get_property 'request\\00method\\00' 64 68", 0),
        ("unknown", "get_property 'nope' 64 68", 1),
        ("plain listener_direction gives nothing", "get_property 'listener_direction' 64 68", 1),
        ("no path", "get_property 0 0 64 68", 3),
        ("a group of properties", "get_property 'request' 64 68", 3),
        ("the guest's own in parts", "set_property 'a\\00b' 'v'", 0),
        ("cannot be read", "get_property 'a\\00b' 64 68", 1),
        ("a path outside memory", "get_property 0 -1 64 68", 6),
        ("the guest's own", "set_property 'mine' 'v'", 0),
        ("read again", "get_property 'mine' 64 68", 0),
        ("as Envoy names it", "get_property 'filter_state\\00wasm.mine' 64 68", 0),
        ("a value outside memory", "set_property 'mine' 0 -1", 6),
    ];
    check_statuses("request_headers", &rows, |vm| {
        let stream = vm.open_stream().unwrap();
        vm.set_property(stream, &["source", "address"], PropertyValue::Bytes(b"1.2.3.4:5".to_vec()));
        vm.request_headers(stream, headers(), true).unwrap();
    });
    let root = [("only streams have properties of the guest's", "set_property 'mine' 'v'", 1)];
    check_statuses("tick", &root, |vm| vm.tick().unwrap());
}

#[test]
fn metrics_shared_data_and_contexts() {
    let rows = [
        ("counter, id 4", "define_metric 0 'c' 64", 0),
        ("histogram, id 10", "define_metric 2 'h' 64", 0),
        ("no such kind", "define_metric 3 'x' 64", 2),
        ("id outside memory", "define_metric 0 'y' 131070", 6),
        ("a counter grows", "increment_metric 4 L3", 0),
        ("and never shrinks", "increment_metric 4 L-1", 2),
        ("unknown", "increment_metric 400 L1", 1),
        ("a histogram cannot be incremented", "increment_metric 10 L1", 2),
        ("but recorded", "record_metric 10 L7", 0),
        ("and not read", "get_metric 10 64", 2),
        ("a counter is read", "get_metric 4 64", 0),
        ("not set yet", "get_shared_data 'k' 64 68 72", 1),
        ("set", "set_shared_data 'k' 'v' 0", 0),
        ("read", "get_shared_data 'k' 64 68 72", 0),
        ("with another number", "set_shared_data 'k' 'w' 9", 8),
        ("with its number", "set_shared_data 'k' 'w' 1", 0),
        ("the root", "set_effective_context 1", 0),
        ("nobody", "set_effective_context 77", 2),
        ("nothing waits for it", "done", 1),
        ("log level", "get_log_level 64", 0),
    ];
    check_statuses("tick", &rows, |vm| {
        vm.tick().unwrap();
        let metrics = vm.metrics();
        assert_eq!(metrics["c"], MetricValue::Counter(3));
        assert_eq!(metrics["h"], MetricValue::Histogram(vec![7]));
    });
}

#[test]
fn streams_are_continued_closed_and_answered() {
    let lines = [
        "continue_stream 0",
        "continue_stream 2",
        "continue_stream 3",
        "continue_stream 9",
        "close_stream 1",
        "send_local_response 403 'why' 'no' 0 0 -1",
        "send_local_response 403 0 -1 'no' 0 0 -1",
        "return 1",
    ];
    let mut vm = Script::new().on("request_headers", &lines).vm();
    let stream = vm.open_stream().unwrap();
    let verdict = vm.request_headers(stream, headers(), true).unwrap();
    let Verdict::LocalReply(reply) = verdict else { panic!("{verdict:?}") };
    assert_eq!((reply.status, reply.details, reply.body), (403, b"why".to_vec(), b"no".to_vec()));
    assert_eq!((reply.grpc_status, reply.headers.is_empty()), (-1, true));
    assert_eq!(said(&mut vm), ["0", "0", "12", "2", "0", "0", "6"]);
    let actions = [(stream, StreamAction::ContinueRequest), (stream, StreamAction::Close)];
    assert_eq!(vm.take_stream_actions(), actions);
}

#[test]
fn every_hostcall_is_counted_by_its_own_name() {
    for (module, name, parameters) in IMPORTS {
        let zeros = "(i32.const 0) ".repeat(parameters);
        let call = format!("(drop (call ${name} {zeros}))");
        let mut vm = Script::new().on("tick", &[&call, &call]).vm();
        vm.take_hostcalls();
        vm.tick().unwrap();
        let counts: Vec<_> = vm.take_hostcalls().into_iter().collect();
        assert_eq!(counts, [(name, 2)], "{module}");
        assert!(vm.take_hostcalls().is_empty(), "taken once");
    }
}

#[test]
fn fuel_is_counted_where_asked_for_and_is_the_same_each_time() {
    let script = Script::new().on("tick", &["say 'x'"]);
    let filter = Filter::compile_counting_fuel(&script.wasm(), Limits::default()).unwrap();
    let burn = || {
        let mut vm = filter.start(PluginOptions::default()).unwrap();
        let before = vm.fuel_used().unwrap();
        vm.tick().unwrap();
        vm.fuel_used().unwrap() - before
    };
    assert!((1..100).contains(&burn()), "{}", burn());
    assert_eq!(burn(), burn());
    assert_eq!(script.vm().fuel_used(), None);
}
