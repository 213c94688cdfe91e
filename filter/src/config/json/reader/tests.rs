//! The reader against the usual parser, which takes the same and refuses the same.

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// As the usual parser's type, which numbers, order and equal keys come to.
fn theirs(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => serde_json::from_str(&number.to_string()).unwrap(),
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => values.iter().map(theirs).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.to_owned(), theirs(value))).collect(),
    }
}

fn agrees(json: &[u8]) {
    match (read(json), serde_json::from_slice::<serde_json::Value>(json)) {
        (Ok(ours), Ok(expected)) => {
            assert_eq!(theirs(&ours), expected, "{:?}", String::from_utf8_lossy(json))
        }
        (Err(problem), Err(_)) => assert!(problem.at <= json.len()),
        (ours, expected) => panic!("{:?}: {ours:?}, not {expected:?}", String::from_utf8_lossy(json)),
    }
}

#[test]
fn it_reads_what_json_is() {
    let cases = [
        ("null", "nothing"),
        (" [ true , false , [ ] , { } ] ", "a list, white space, and what is empty"),
        ("\t{\"a\":[{\"b\":null}],\"c\":\"d\"}\r\n", "objects in lists in objects"),
        ("[0,18446744073709551615,-9223372036854775808,-0]", "the largest whole numbers"),
        ("[0.5,1e300,-2.5e-7,1E+2]", "fractions"),
        (r#""\"\\\/\n\r\t\b\f\u0000\u001F\u00e9\uD83D\uDE00""#, "every escape"),
        ("\"/ é 😀 \u{7f}\"", "what needs none"),
        (r#"{"":{"\"":0},"b":1,"a":2,"b":3}"#, "keys, of which the last of equals counts"),
    ];
    for (json, reason) in cases {
        assert!(read(json.as_bytes()).is_ok(), "{reason}");
        agrees(json.as_bytes());
    }
}

#[test]
fn it_says_what_is_wrong_and_where() {
    let cases: [(&[u8], (usize, usize), &str); 22] = [
        (b"", (1, 1), "EOF while parsing a value"),
        (b"{\n  \"version\": }", (2, 14), "expected value"),
        (b"nul", (1, 1), "expected value"),
        (b"1 2", (1, 3), "trailing characters"),
        (b"[1", (1, 3), "EOF while parsing a list"),
        (b"[1 2]", (1, 4), COMMA_OR_BRACKET),
        (b"[1,]", (1, 4), "trailing comma"),
        (b"[,1]", (1, 2), "expected value"),
        (b"{1:2}", (1, 2), "key must be a string"),
        (b"{\"a\" 1}", (1, 6), "expected `:`"),
        (b"{\"a\":1 \"b\":2}", (1, 8), COMMA_OR_BRACE),
        (b"{\"a\":1,}", (1, 8), "trailing comma"),
        (b"{\"a\":1\n", (2, 1), "EOF while parsing an object"),
        (b"{\"a\"", (1, 5), "EOF while parsing an object"),
        (b"\"a", (1, 3), "EOF while parsing a string"),
        (b"\"a\n\"", (1, 3), "control character in a string"),
        (b"\"\\x\"", (1, 3), "invalid escape"),
        (b"\"\\u12\"", (1, 3), "invalid escape"),
        (b"\"\\ud800\"", (1, 3), "invalid escape"),
        (b"\"\\ud800\\u0041\"", (1, 3), "invalid escape"),
        (b"01", (1, 1), "invalid number"),
        (b"[\"\xff\"]", (1, 3), "invalid unicode code point"),
    ];
    for (json, place, what) in cases {
        let problem = read(json).unwrap_err();
        let text = String::from_utf8_lossy(json);
        assert_eq!((problem.place(json), problem.what), (place, what), "{text:?}");
        agrees(json);
    }
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(MAX_DEPTH as usize + 1).as_bytes()).is_ok());
    assert_eq!(read(nested(100_000).as_bytes()).unwrap_err().what, "nested too deeply");
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_reads_and_refuses_as_the_usual_parser(
            parts in proptest::collection::vec(
                prop_oneof![
                    "[\\[\\]{},: \n]", "\"[a-c]?\"", "-?[0-9]{1,4}([.][0-9]{0,3})?([eE][+-]?[0-9]{0,2})?",
                    "\"(\\\\u(d83d|de00|00e9|12g4)|\\\\[nx\"/])*\"", "null|true|false|nul", "\\PC",
                ],
                0..12,
            ),
        ) {
            agrees(parts.concat().as_bytes());
        }

        #[test]
        fn it_reads_what_the_usual_parser_writes(
            texts in proptest::collection::vec(any::<String>(), 0..5),
            numbers in proptest::collection::vec(any::<i64>(), 0..5),
        ) {
            let value = serde_json::json!({"texts": texts, "numbers": numbers, "list": [[], {}, null, true]});
            agrees(value.to_string().as_bytes());
            agrees(serde_json::to_string_pretty(&value).unwrap().as_bytes());
        }
    }
}
