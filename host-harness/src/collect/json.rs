//! OTLP JSON Lines, the format of OpenTelemetry's file exporter: one `TracesData` a line.
//! Spec: <https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/>

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};

/// Why a line of OTLP JSON could not be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not OTLP JSON (one TracesData object a line): {source}")]
pub struct JsonLineError {
    /// Counted from 1.
    pub line: usize,
    /// What the parser found.
    pub source: serde_json::Error,
}

/// One line, without its line break: hex ids, integer enums, lowerCamelCase, 64-bit integers as strings.
pub fn to_json_line(spans: &[ResourceSpans]) -> String {
    // A TracesData has string keys only, so serde_json has nothing to refuse.
    serde_json::to_string(&BorrowedTracesData { resource_spans: spans }).unwrap_or_default()
}

/// A [`TracesData`] to write.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct BorrowedTracesData<'a> {
    resource_spans: &'a [ResourceSpans],
}

/// The spans of every line of `text`; blank lines are passed over.
///
/// # Errors
/// [`JsonLineError`] names the first line that cannot be read.
pub fn from_json_lines(text: &str) -> Result<Vec<ResourceSpans>, JsonLineError> {
    let mut spans = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let data: TracesData =
            serde_json::from_str(line).map_err(|source| JsonLineError { line: index + 1, source })?;
        spans.extend(data.resource_spans);
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
        resource::v1::Resource,
        trace::v1::{ScopeSpans, Span, Status, span::Event},
    };

    use super::*;

    fn attribute(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn spans() -> Vec<ResourceSpans> {
        let span = Span {
            trace_id: vec![0xAB; 16],
            span_id: vec![0xCD; 8],
            parent_span_id: vec![0xEF; 8],
            name: "GET".to_owned(),
            kind: 2,
            flags: 0x301,
            start_time_unix_nano: u64::MAX - 1,
            end_time_unix_nano: u64::MAX,
            attributes: vec![
                attribute("http.response.status_code", Value::IntValue(i64::MIN)),
                attribute("url.path", Value::StringValue("/ü\n".to_owned())),
                attribute("raw", Value::BytesValue(vec![0, 255])),
            ],
            events: vec![Event { time_unix_nano: 7, name: "e".to_owned(), ..Event::default() }],
            status: Some(Status { code: 2, message: "x".to_owned() }),
            ..Span::default()
        };
        let scope = InstrumentationScope { name: "meshspan".to_owned(), ..InstrumentationScope::default() };
        let scope = ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() };
        vec![ResourceSpans {
            resource: Some(Resource::default()),
            scope_spans: vec![scope],
            ..Default::default()
        }]
    }

    #[test]
    fn rule_43_json_is_the_one_of_otlp() {
        let line = to_json_line(&spans());
        for (expected, reason) in [
            (r#""traceId":"abababababababababababababababab""#, "hex, not base64"),
            (r#""spanId":"cdcdcdcdcdcdcdcd""#, "hex, not base64"),
            (r#""parentSpanId":"efefefefefefefef""#, "hex, not base64"),
            (r#""startTimeUnixNano":"18446744073709551614""#, "fixed64 as a string"),
            (r#""timeUnixNano":"7""#, "in events too"),
            (r#""intValue":"-9223372036854775808""#, "int64 as a string"),
            (r#""bytesValue":"AP8=""#, "other bytes as base64"),
            (r#""kind":2"#, "enums as integers"),
            (r#""code":2"#, "enums as integers"),
            (r#""flags":769"#, "32-bit integers as numbers"),
            (r#"{"resourceSpans":["#, "lowerCamelCase, TracesData on top"),
        ] {
            assert!(line.contains(expected), "{reason}: {line} lacks {expected}");
        }
        assert!(!line.contains('\n'), "one line");
    }

    #[test]
    fn reading_gives_back_what_was_written() {
        let line = to_json_line(&spans());
        let twice = format!("{line}\n\n{line}\n");
        assert_eq!(from_json_lines(&twice).unwrap(), [spans(), spans()].concat());
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = from_json_lines("{\"resourceSpans\":[]}\n{\"resourceSpans\":").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.to_string().starts_with("line 2 is not OTLP JSON"), "{error}");
    }
}
