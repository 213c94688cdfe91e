//! Traces of a file, whatever wrote it: OTLP JSON, OTLP JSON Lines, Jaeger's query API in either version.

use std::borrow::Cow;

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use serde_json::Value;

use super::MAX_UPLOAD_BYTES;
use super::jaeger::from_v1;
use crate::collect::{JsonLineError, from_json_lines};
use crate::gzip;

/// Why a file has no traces for us.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Not text.
    #[error("the file is not UTF-8; expected OTLP JSON, OTLP JSON Lines or Jaeger's JSON")]
    NotText,
    /// JSON of something else.
    #[error(
        "the file's JSON has neither resourceSpans (OTLP) nor data (Jaeger); expected OTLP JSON, OTLP JSON Lines or \
         Jaeger's JSON"
    )]
    Unknown,
    /// Packed by gzip, but damaged.
    #[error("the file is packed by gzip, but could not be unpacked: {0}")]
    Gzip(std::io::Error),
    /// Packed, and larger than an upload may be.
    #[error("the file unpacks to more than {MAX_UPLOAD_BYTES} bytes, the largest that is taken")]
    TooLarge,
    /// OTLP JSON with a value that it does not allow.
    #[error("not OTLP JSON: {0}")]
    Otlp(serde_json::Error),
    /// A line that is no OTLP JSON.
    #[error(transparent)]
    Line(#[from] JsonLineError),
    /// Jaeger's JSON with a value that it does not allow.
    #[error("not Jaeger's JSON: {0}")]
    Jaeger(String),
}

/// What gzip packed, unpacked; anything else as it is.
///
/// # Errors
/// [`UploadError`] if it is damaged, or larger than an upload may be.
pub(super) fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, UploadError> {
    if !gzip::is_packed(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let content = gzip::content(bytes, MAX_UPLOAD_BYTES).map_err(UploadError::Gzip)?;
    content.map(Cow::Owned).ok_or(UploadError::TooLarge)
}

/// The spans of a file.
///
/// # Errors
/// [`UploadError`] says what was found and what is allowed.
pub fn spans_of_file(bytes: &[u8]) -> Result<Vec<ResourceSpans>, UploadError> {
    let text = std::str::from_utf8(bytes).map_err(|_| UploadError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str::<Value>(text) {
        Ok(document) => spans_of_document(document),
        // Several values, one a line.
        Err(_) => Ok(from_json_lines(text)?),
    }
}

/// The spans of a file's whole JSON.
pub(super) fn spans_of_document(document: Value) -> Result<Vec<ResourceSpans>, UploadError> {
    let Value::Object(mut object) = document else { return Err(UploadError::Unknown) };
    // Jaeger's version 3 answers wrap OTLP.
    if let Some(result) = object.remove("result") {
        return spans_of_document(result);
    }
    if let Some(data) = object.remove("data") {
        return from_v1(data).map_err(UploadError::Jaeger);
    }
    if !object.contains_key("resourceSpans") {
        return Err(UploadError::Unknown);
    }
    let data: TracesData = serde_json::from_value(Value::Object(object)).map_err(UploadError::Otlp)?;
    Ok(data.resource_spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::span_count;

    const OTLP: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"GET"}]}]}]}"#;

    #[test]
    fn files_of_every_kind_are_known_by_what_is_in_them() {
        let line = OTLP.replace('\n', "");
        let table = [
            ("OTLP JSON", OTLP.to_owned(), 1),
            ("with a byte order mark", format!("\u{feff}{OTLP}"), 1),
            ("OTLP JSON Lines", format!("{line}\n{line}\n"), 2),
            ("Jaeger v3", format!("{{\"result\":{OTLP}}}"), 1),
            ("Jaeger v1", r#"{"data":[{"traceID":"1","spans":[{"traceID":"1","spanID":"2","operationName":"x","startTime":1,"duration":2,"processID":"p1"}],"processes":{"p1":{"serviceName":"web"}}}]}"#.to_owned(), 1),
        ];
        for (reason, text, expected) in table {
            assert_eq!(span_count(&spans_of_file(text.as_bytes()).unwrap()), expected, "{reason}");
        }
    }

    #[test]
    fn what_gzip_packed_is_unpacked_up_to_a_bound() {
        let pack = |bytes: &[u8]| gzip::gzip(bytes).unwrap();
        let packed = pack(OTLP.as_bytes());
        assert_eq!(unpacked(&packed).unwrap(), OTLP.as_bytes());
        assert_eq!(unpacked(OTLP.as_bytes()).unwrap(), OTLP.as_bytes());
        let cut = unpacked(&packed[..packed.len() / 2]).unwrap_err().to_string();
        assert!(cut.contains("could not be unpacked"), "{cut}");
        let bomb = pack(&vec![b' '; MAX_UPLOAD_BYTES + 1]);
        assert!(matches!(unpacked(&bomb), Err(UploadError::TooLarge)));
    }

    #[test]
    fn other_files_are_refused_with_what_is_expected() {
        for (bytes, expected) in [
            (&b"\xff\xfe"[..], "not UTF-8"),
            (b"{}", "neither resourceSpans (OTLP) nor data (Jaeger)"),
            (b"[1]", "neither resourceSpans"),
            (b"hello", "line 1 is not OTLP JSON"),
            (br#"{"resourceSpans":[{"scopeSpans":7}]}"#, "not OTLP JSON: invalid type"),
            (br#"{"data":{}}"#, "not Jaeger's JSON"),
        ] {
            let error = spans_of_file(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
