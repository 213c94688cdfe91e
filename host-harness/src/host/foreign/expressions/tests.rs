//! Bounds and texts of errors; that values are Envoy's is for the tests beside a real Envoy to say.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::host::{Direction, HeaderMap, PluginOptions, RootId, RootOptions};

/// In the callback of a request with these headers.
fn state<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> HostState {
    let mut state = HostState::new(PluginOptions::default());
    let stream = state.open_stream(RootId::FIRST);
    let head = [(":method", "GET"), (":path", "/a")].into_iter().chain(headers);
    state.deliver_headers(stream, Direction::Request, HeaderMap::from_pairs(head));
    state.enter(stream.0, "proxy_on_request_headers");
    state
}

fn create(state: &mut HostState, text: &str) -> Result<Vec<u8>, HostError> {
    state.call_foreign(b"expr_create", text.as_bytes())
}

fn evaluate(state: &mut HostState, text: &str) -> Result<Vec<u8>, HostError> {
    let token = create(state, text)?;
    let value = state.call_foreign(b"expr_evaluate", &token);
    state.call_foreign(b"expr_delete", &token)?;
    value
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let mut state = state([]);
    let rows = [
        (
            "request.",
            "foreign function expr_create: \"request.\" is no expression of CEL: 1:9: Syntax error: ",
        ),
        (
            "lower(request.path)",
            "foreign function expr_create: \"lower(request.path)\": there is no function lower that takes 1 arguments",
        ),
        (
            "[[1]].all(x, x.all(y, true))",
            "foreign function expr_create: \"[[1]].all(x, x.all(y, true))\": all, exists, exists_one, map and \
             filter cannot stand within each other",
        ),
        ("request.absent", "the expression \"request.absent\" has no value: No such key: absent"),
        ("absent", "the expression \"absent\" has no value: Undeclared reference to 'absent'"),
        (
            "null",
            "foreign function expr_evaluate: \"null\" gives a null_type, which Envoy does not serialize",
        ),
    ];
    for (text, expected) in rows {
        let error = evaluate(&mut state, text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let error = state.call_foreign(b"expr_create", b"\xff").unwrap_err().to_string();
    assert!(error.starts_with("foreign function expr_create: the expression is no UTF-8: "), "{error}");
    let error = state.call_foreign(b"expr_evaluate", &[7, 0, 0, 0]).unwrap_err().to_string();
    assert_eq!(error, "foreign function expr_evaluate: 7 is no token of expr_create's, or not any more");
}

#[test]
fn each_bound_is_kept() {
    let long = format!("'{}'", "a".repeat(MAX_EXPRESSION_BYTES - 2));
    let wide = format!("[{}1]", "1,".repeat(MAX_EXPRESSION_NODES - 2));
    let mut state = state([("big", &*"b".repeat(MAX_EXPRESSION_WORK / 2 - 1000))]);
    assert_eq!(evaluate(&mut state, &long).unwrap().len(), MAX_EXPRESSION_BYTES - 2);
    evaluate(&mut state, &wide).unwrap();
    evaluate(&mut state, "request.headers['big'].size() + request.headers['big'].size() > 0").unwrap();
    let read = ["request.headers['big'].size()"; 3].join(" + ");
    let patterns: Vec<String> = (0..20).map(|number| format!("'a'.matches('{number}')")).collect();
    let rows = [
        (format!("{long} "), HostError::Full("expression's bytes", MAX_EXPRESSION_BYTES)),
        (format!("[{wide}]"), HostError::Full("expression's parts", MAX_EXPRESSION_NODES)),
        (read, HostError::Full("expression's work", MAX_EXPRESSION_WORK)),
        (patterns.join(" || "), HostError::Full("expression's work", MAX_EXPRESSION_WORK)),
    ];
    for (text, expected) in rows {
        assert_eq!(evaluate(&mut state, &text).unwrap_err(), expected, "{text:.40}");
    }
}

#[test]
fn a_plugin_keeps_so_many_and_each_plugin_its_own() {
    let mut state = state([]);
    for number in 0..MAX_EXPRESSIONS {
        let token = create(&mut state, "request.method").unwrap();
        assert_eq!(token, u32::try_from(number).unwrap().to_le_bytes());
    }
    let full = HostError::Full("expressions", MAX_EXPRESSIONS);
    assert_eq!(create(&mut state, "request.method").unwrap_err(), full);
    state.call_foreign(b"expr_delete", &[3, 0, 0, 0]).unwrap();
    create(&mut state, "request.method").unwrap();
    let other = state.add_root(RootOptions::default());
    let stream = state.open_stream(other);
    state.enter(stream.0, "proxy_on_request_headers");
    assert_eq!(create(&mut state, "'other'").unwrap(), [0; 4]);
    assert_eq!(state.call_foreign(b"expr_evaluate", &[0; 4]).unwrap(), b"other");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what an expression costs is real time")]
fn the_costliest_ends_soon() {
    let big = "b".repeat(MAX_EXPRESSION_WORK / 4);
    let names: Vec<String> = (0..900).map(|number| format!("n{number}")).collect();
    let mut state = state(names.iter().map(|name| (name.as_str(), "")).chain([(&*big, "")]));
    let sum = ["k"; 19].join("+");
    let rows = [
        format!("request.headers.map(k, [{}])", ["k+k"; 120].join(",")),
        format!("request.headers.all(k, {} != '')", ["k"; 28].join("+")),
        format!("request.headers.all(k, [{}].size() > 0)", ["k"; 440].join(",")),
        format!("request.headers.all(k, k.matches('{}'))", "(a|b|n|1)*".repeat(300)),
        format!("request.headers.exists(k, k.matches(k + '{}'))", "x{9}".repeat(300)),
        format!("request.headers.map(k, {})", vec![format!("({sum})"); 11].join("+")),
    ];
    for text in rows {
        let started = Instant::now();
        let result = evaluate(&mut state, &text);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "{text:.60}: {took:?}");
        assert!(
            matches!(result, Ok(_) | Err(HostError::Full("expression's work", _))),
            "{text:.60}: {result:?}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_that_is_asked_for_panics(
        parts in prop::collection::vec(prop::sample::select(vec![
            "request", ".", "path", "headers", "[", "]", "(", ")", "{", "}", "'x'", "b'\\377'", "1", "-", "2u", "1.5",
            "+", "*", "/", "%", "==", "<", "in", " ", "&&", "||", "!", "?", ":", ",", "has(", "size(", ".all(x,",
            ".map(x,", "x", "null", "true", "matches(", "timestamp(", "duration('1s')", "string(", "9223372036854775807",
            "own", "@", "'", "\\", "\u{e4}", "\n", "//", "0x", "1e999", ".startsWith(", "type(", "Foo", "`",
        ]), 0..30),
    ) {
        let mut state = state([("x", "y")]);
        let _ = evaluate(&mut state, &parts.concat());
    }
}
