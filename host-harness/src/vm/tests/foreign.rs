//! Foreign functions in both directions.

use super::*;

/// `path: "envoy.x"`, `value: "v"`.
const FILTER_STATE: &str = r"'\0a\07envoy.x\12\01v'";
/// `name: "p"`, `readonly: true`.
const READ_ONLY: &str = r"'\0a\01p\20\01'";

#[test]
fn statuses_say_whether_a_function_is_there_and_succeeded() {
    let set = format!("call_foreign_function 'set_envoy_filter_state' {FILTER_STATE} 64 68");
    let declare = format!("call_foreign_function 'declare_property' {READ_ONLY} 64 68");
    let rows = [
        ("unknown", "call_foreign_function 'f' 'x' 64 68", 1),
        ("an expression", "call_foreign_function 'expr_create' 'request.method' 64 68", 0),
        ("its value", "call_foreign_function 'expr_evaluate' '\\00\\00\\00\\00' 64 68", 0),
        ("no expression", "call_foreign_function 'expr_create' 'request.' 64 68", 2),
        ("no value", "call_foreign_function 'expr_create' 'request.absent' 64 68", 0),
        ("of what is absent", "call_foreign_function 'expr_evaluate' '\\01\\00\\00\\00' 64 68", 10),
        ("no token", "call_foreign_function 'expr_evaluate' 'abc' 64 68", 2),
        ("no token of an expression", "call_foreign_function 'expr_evaluate' '\\02\\00\\00\\00' 64 68", 1),
        ("deleted", "call_foreign_function 'expr_delete' '\\00\\00\\00\\00' 64 68", 0),
        ("and gone", "call_foreign_function 'expr_evaluate' '\\00\\00\\00\\00' 64 68", 1),
        ("deleted again", "call_foreign_function 'expr_delete' '\\00\\00\\00\\00' 64 68", 0),
        ("nothing to do", "call_foreign_function 'clear_route_cache' '' 64 68", 0),
        ("zlib", "call_foreign_function 'compress' 'aaa' 64 68", 0),
        ("no zlib", "call_foreign_function 'uncompress' 'aaa' 64 68", 3),
        ("a key of Envoy's", &set, 0),
        ("read again", "get_property 'filter_state\\00envoy.x' 64 68", 0),
        ("no key of Envoy's", "call_foreign_function 'set_envoy_filter_state' '\\0a\\01x' 64 68", 1),
        ("no message", "call_foreign_function 'set_envoy_filter_state' '\\0a' 64 68", 2),
        ("declared", &declare, 0),
        ("twice", &declare, 2),
        ("set once", "set_property 'p' '1'", 0),
        ("set twice", "set_property 'p' '2'", 2),
        ("a name outside memory", "call_foreign_function 0 -1 '' 64 68", 6),
        ("a result outside memory", "call_foreign_function 'compress' 'aaa' 131070 68", 6),
        ("a result that nobody wants", "call_foreign_function 'compress' 'aaa' 0 0", 0),
    ];
    check_statuses("request_headers", &rows, |vm| {
        let stream = vm.open_stream().unwrap();
        vm.request_headers(stream, headers(), true).unwrap();
    });
    let root = [("only streams have filter state", set.as_str(), 1)];
    check_statuses("tick", &root, |vm| vm.tick().unwrap());
}

#[test]
fn what_the_embedder_registers_is_called_and_its_failures_are_explained() {
    let lines = [
        "call_foreign_function 'shout' 'abc' 64 68",
        "show",
        "call_foreign_function 'fail' 'abc' 64 68",
        "call_foreign_function 'nope' 'abc' 64 68",
    ];
    let mut foreign = ForeignFunctions::default();
    foreign.register("shout", |arguments| Ok(arguments.to_ascii_uppercase()));
    foreign.register("fail", |_| Err(ForeignError::Internal("out of luck".into())));
    let mut vm =
        Script::new().on("tick", &lines).start(PluginOptions { foreign, ..PluginOptions::default() });
    vm.tick().unwrap();
    let expected = [
        "0",
        "ABC",
        "host: foreign function fail: out of luck",
        "10",
        "host: call_foreign_function of \"nope\", which neither Envoy has nor this plugin's foreign functions",
        "1",
    ];
    assert_eq!(said(&mut vm), expected);
}

#[test]
fn the_embedder_calls_the_guest() {
    let mut vm = Script::new().on("foreign_function", &["get_buffer_bytes 8 0 99 64 68", "show"]).vm();
    vm.call_foreign_function(7, b"from outside".to_vec()).unwrap();
    assert_eq!(said(&mut vm), ["0", "from outside"]);
    Script::new().vm().call_foreign_function(7, Vec::new()).unwrap();
}
