//! A recorded body: its chunks in order, each with the instant when it was seen, if that is known.
//!
//! `[{"at_us":40,"text":"hello "},{"at_us":95,"base64":"/wA="}]`

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::bytes::{from_base64, to_base64};

/// A piece of a body that came at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "RawChunk", into = "RawChunk")]
pub struct Chunk {
    /// When the source saw it, in microseconds after the exchange's start.
    pub at_us: Option<u64>,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A piece of a body, with either `text` or `base64`.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Chunk", extend("oneOf" = [{ "required": ["text"] }, { "required": ["base64"] }]))]
struct RawChunk {
    /// When the source saw it, in microseconds after the exchange's start; each not before the one
    /// before it, and within the times of `timing_us`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    at_us: Option<u64>,
    /// Its bytes, if they are UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    text: Option<String>,
    /// Its bytes in Base64, if they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("contentEncoding" = "base64"))]
    base64: Option<String>,
}

impl Chunk {
    /// A chunk that came at an unknown instant.
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self { at_us: None, data: data.into() }
    }
}

impl TryFrom<RawChunk> for Chunk {
    type Error = Cow<'static, str>;

    fn try_from(RawChunk { at_us, text, base64 }: RawChunk) -> Result<Self, Self::Error> {
        let data = match (text, base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => from_base64(&base64)?,
            (Some(_), Some(_)) => return Err("a chunk has both `text` and `base64`, expected one".into()),
            (None, None) => return Err("a chunk has neither `text` nor `base64`, expected one".into()),
        };
        Ok(Self { at_us, data })
    }
}

impl From<Chunk> for RawChunk {
    fn from(Chunk { at_us, data }: Chunk) -> Self {
        match String::from_utf8(data) {
            Ok(text) => Self { at_us, text: Some(text), base64: None },
            Err(error) => Self { at_us, text: None, base64: Some(to_base64(error.as_bytes())) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_text_or_base64() {
        let rows = [
            (Chunk::new("hi"), r#"{"text":"hi"}"#),
            (Chunk { at_us: Some(7), data: b"\xff\0".to_vec() }, r#"{"at_us":7,"base64":"/wA="}"#),
            (Chunk::new(""), r#"{"text":""}"#),
        ];
        for (chunk, json) in rows {
            assert_eq!(serde_json::to_string(&chunk).unwrap(), json);
            assert_eq!(serde_json::from_str::<Chunk>(json).unwrap(), chunk);
        }
    }

    #[test]
    fn not_both_and_not_neither() {
        for (json, expected) in [
            (r#"{"text":"a","base64":"YQ=="}"#, "both `text` and `base64`, expected one"),
            (r#"{"at_us":1}"#, "neither `text` nor `base64`, expected one"),
            (r#"{"base64":"a"}"#, "base64 is wrong"),
            (r#"{"text":"a","at":1}"#, "unknown field `at`, expected one of `at_us`, `text`, `base64`"),
        ] {
            let error = serde_json::from_str::<Chunk>(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
