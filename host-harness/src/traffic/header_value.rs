//! A header's value: any bytes. In a recording a JSON string, or `{"base64": "…"}` if it is not UTF-8.
//!
//! `"gzip"` → `gzip`, `{"base64":"Y2Fm6Q=="}` → `caf\xe9`

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::bytes::{from_base64, to_base64};

/// The value of a header or trailer, as it was on the wire.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderValue(Vec<u8>);

impl HeaderValue {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its text, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Its text, with U+FFFD for what is not UTF-8: to show, not to send on.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl AsRef<[u8]> for HeaderValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for HeaderValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for HeaderValue {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_owned())
    }
}

impl From<HeaderValue> for Vec<u8> {
    fn from(value: HeaderValue) -> Self {
        value.0
    }
}

impl PartialEq<str> for HeaderValue {
    fn eq(&self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }
}

impl PartialEq<&str> for HeaderValue {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl Serialize for HeaderValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.to_str() {
            return serializer.serialize_str(text);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("base64", &to_base64(&self.0))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = HeaderValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or {\"base64\": string}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HeaderValue, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<HeaderValue, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderValue, A::Error> {
        let Some((key, text)) = map.next_entry::<String, String>()? else {
            return Err(de::Error::missing_field("base64"));
        };
        if key != "base64" {
            return Err(de::Error::unknown_field(&key, &["base64"]));
        }
        if let Some(key) = map.next_key::<String>()? {
            return Err(de::Error::unknown_field(&key, &[]));
        }
        from_base64(&text).map(HeaderValue).map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for HeaderValue {
    fn schema_name() -> Cow<'static, str> {
        "HeaderValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The value of a header or trailer: a string, or its bytes if they are not UTF-8.",
            "oneOf": [
                { "type": "string" },
                {
                    "type": "object",
                    "properties": { "base64": { "type": "string", "contentEncoding": "base64" } },
                    "required": ["base64"],
                    "additionalProperties": false
                }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_a_string_and_anything_else_base64() {
        for (bytes, json) in [
            (&b"gzip"[..], r#""gzip""#),
            (b"", r#""""#),
            ("caf\u{e9}".as_bytes(), r#""café""#),
            (b"caf\xe9", r#"{"base64":"Y2Fm6Q=="}"#),
        ] {
            assert_eq!(serde_json::to_string(&HeaderValue::from(bytes)).unwrap(), json);
            assert_eq!(serde_json::from_str::<HeaderValue>(json).unwrap(), HeaderValue::from(bytes));
        }
        let unpadded: HeaderValue = serde_json::from_str(r#"{"base64":"Y2Fm6Q"}"#).unwrap();
        assert_eq!(unpadded.as_bytes(), b"caf\xe9");
    }

    #[test]
    fn anything_else_is_refused_with_what_is_allowed() {
        for (json, expected) in [
            ("7", "expected a string or {\"base64\": string}"),
            ("null", "expected a string or"),
            ("{}", "missing field `base64`"),
            (r#"{"hex":"00"}"#, "unknown field `hex`, expected `base64`"),
            (r#"{"base64":"Y2Fm","x":""}"#, "unknown field `x`"),
            (r#"{"base64":"*"}"#, "base64 is wrong: Invalid symbol 42"),
        ] {
            let error = serde_json::from_str::<HeaderValue>(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>) {
            let value = HeaderValue::from(bytes);
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<HeaderValue>(&json).unwrap(), value);
        }
    }
}
