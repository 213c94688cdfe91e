#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::Config;

#[cfg(not(target_arch = "wasm32"))]
mod properties;

/// `{"version": 1}`, as Envoy hands it over.
const VERSION: &[u8] = b"\x0a\x14\x0a\x07version\x12\x09\x11\x00\x00\x00\x00\x00\x00\xf0\x3f";

fn parse(bytes: &[u8]) -> Result<Vec<String>, String> {
    let parsed = Config::parse(bytes, &[]).map_err(|error| error.to_string())?;
    Ok(parsed.1.iter().map(ToString::to_string).collect())
}

/// `VERSION` with another number.
fn version(number: f64) -> Vec<u8> {
    let (head, _) = VERSION.split_at(VERSION.len() - 8);
    [head, &number.to_le_bytes()].concat()
}

/// Appends a length-delimited field with less than 16384 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    let head = [number << 3 | 2, (len & 0x7f) as u8 | 0x80, (len >> 7) as u8];
    [&head, content].concat()
}

#[test]
fn a_struct_is_the_json_that_it_stands_for() {
    assert_eq!(decode(VERSION).unwrap().to_string(), r#"{"version":1}"#);
    assert_eq!(decode(b""), Ok(Value::Object(SortedMap::new())));
    assert_eq!(parse(VERSION), Ok(Vec::new()));
}

#[test]
fn errors_and_warnings_name_the_key_as_those_of_json_do() {
    assert_eq!(parse(&version(2.0)), Err("version is 2, expected a whole number in 1..=1".to_owned()));
    assert_eq!(parse(&version(1.5)), Err("version is 1.5, expected a whole number in 1..=1".to_owned()));
    let unknown: Vec<u8> = VERSION.iter().map(|byte| if *byte == b'v' { b'V' } else { *byte }).collect();
    assert_eq!(parse(&unknown), Ok(vec!["unknown key Version is ignored, did you mean version?".to_owned()]));
}

#[test]
fn whole_numbers_are_integers() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (-3.0, "-3"),
        (0.25, "0.25"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (1e300, "1e300"),
    ];
    for (double, expected) in cases {
        assert_eq!(number(double).unwrap().to_string(), expected);
    }
}

#[test]
fn fractions_may_be_strings() {
    let cases = [
        ("ratio", "0.25", "0.25"),
        ("ratio", "1", "1"),
        ("per_second", "0.5", "0.5"),
        ("ratio", "x", "\"x\""),
        ("name", "1", "\"1\""),
    ];
    for (key, value, expected) in cases {
        let entry = [field(1, key.as_bytes()), field(2, &field(3, value.as_bytes()))].concat();
        let expected = format!(r#"{{"{key}":{expected}}}"#);
        assert_eq!(decode(&field(1, &entry)).unwrap().to_string(), expected);
    }
}

#[test]
fn what_is_malformed_is_refused() {
    let value = |value: &[u8]| field(1, &[field(1, b"k"), field(2, value)].concat());
    let mut deep = field(3, b"");
    for _ in 0..100 {
        deep = field(6, &field(1, &deep));
    }
    let (cut, malformed) = (&VERSION[..VERSION.len() - 1], "it is cut off or malformed");
    let cases: [(&[u8], &str, &str); 7] = [
        (cut, malformed, "cut off"),
        (b"\x0a\x02\x0b\x00", malformed, "a group, which nobody uses"),
        (b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", malformed, "a number of eleven groups"),
        (&value(&field(3, b"\xff")), "it has a string that is not UTF-8", "a value"),
        (&field(1, &field(1, b"\xff")), "it has a string that is not UTF-8", "a key"),
        (&version(f64::NAN), "it has a number that is not finite", "NaN"),
        (&value(&deep), "it is nested too deeply", "101 lists"),
    ];
    for (bytes, expected, reason) in cases {
        assert_eq!(decode(bytes), Err(expected), "{reason}");
        let error = format!("configuration is a binary google.protobuf.Struct, but {expected}");
        assert_eq!(parse(bytes), Err(error), "{reason}");
    }
}
