//! A JSON value, and how it is written.

use std::fmt;

use super::number::Number;
use crate::config::sorted::SortedMap;

/// A value, whose keys are sorted; of equal ones the last counts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Value>),
    Object(SortedMap<Value>),
}

impl Value {
    pub(in crate::config) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::config) fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

/// As JSON without spaces.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => f.write_str(if *value { "true" } else { "false" }),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => quoted(text, f),
            Self::Array(values) => {
                f.write_str("[")?;
                for (i, value) in values.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { "," })?;
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Self::Object(map) => {
                f.write_str("{")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { "," })?;
                    quoted(key, f)?;
                    f.write_str(":")?;
                    value.fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Writes a string with the escapes that RFC 8259 §7 asks for.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            '\0'..' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => f.write_char(c)?,
        }
    }
    f.write_str("\"")
}

/// Reads a number as JSON has it, but for a `+` before it and a point first or last.
pub(in crate::config) fn decimal(text: &str) -> Option<f64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    let zero = if text.starts_with('.') { "0" } else { "" };
    Some(Number::parse(&format!("{zero}{text}"))?.as_f64())
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Each with the reason.
    const TEXTS: [(&str, &str); 8] = [
        ("null", "nothing"),
        (r#"[true,false,[],{}]"#, "a list, and what is empty"),
        (r#"{"a":[{"b":null}],"c":"d"}"#, "objects in lists in objects"),
        ("[0,18446744073709551615,-9223372036854775808]", "the largest whole numbers"),
        ("[0.5,-2.5e-7]", "fractions"),
        (r#""\"\\\n\r\t\b\f\u0000\u001f""#, "every escape"),
        (r#""/ é 😀""#, "what needs none"),
        (r#"{"":{"\"":0}}"#, "keys"),
    ];

    #[test]
    fn it_writes_as_the_usual_parsers_own_type() {
        for (text, reason) in TEXTS {
            let ours = super::super::reader::read(text.as_bytes()).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(ours.to_string(), theirs.to_string(), "{reason}");
        }
    }

    #[test]
    fn decimals_are_read_as_the_standard_library_does() {
        for text in ["0", "1", "-1", "0.25", "+.5", "5.", "1e-3", "2.5E2", "", ".", "x", "1x", "0x1"] {
            assert_eq!(decimal(text), text.parse().ok(), "{text:?}");
        }
    }
}
