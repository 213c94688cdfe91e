//! OTLP in JSON as Jaeger's server writes it: what says nothing is not there.
//! Jaeger's page since 2.21 refuses a trace with `"parentSpanId": ""` or `"status": null`.
//! `{"spanId": "01", "parentSpanId": "", "status": null}` → `{"spanId": "01"}`

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, TracesData};
use serde_json::{Value, json};

/// The traces' spans, to be wrapped in a `result`.
pub(super) fn traces_json(resource_spans: Vec<ResourceSpans>) -> Value {
    let mut json = json!(TracesData { resource_spans });
    prune(&mut json);
    json
}

/// Takes away nulls and empty texts, but for those that are an attribute's value; and attributes without any.
fn prune(json: &mut Value) {
    match json {
        Value::Object(object) => {
            object.retain(|key, value| {
                let is_empty = value.is_null() || (value == "" && key != "stringValue");
                prune(value);
                !is_empty
            });
        }
        Value::Array(array) => {
            array.iter_mut().for_each(prune);
            let has_value = |element: &Value| element.get("value").is_some_and(|value| *value != json!({}));
            array.retain(|element| element.get("key").is_none() || has_value(element));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};

    use super::*;

    #[test]
    fn a_root_has_no_parent_and_every_attribute_a_value() {
        let attribute = |key: &str, value: Option<AnyValue>| KeyValue {
            key: key.to_owned(),
            value,
            ..KeyValue::default()
        };
        let any = |value| Some(AnyValue { value: Some(value) });
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            attributes: vec![
                attribute("none", None),
                attribute("unset", Some(AnyValue::default())),
                attribute("empty", any(Any::StringValue(String::new()))),
                attribute("zero", any(Any::IntValue(0))),
                attribute("false", any(Any::BoolValue(false))),
                attribute("bytes", any(Any::BytesValue(vec![255]))),
            ],
            ..Span::default()
        };
        let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
        let json = traces_json(vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }]);
        let resource = json["resourceSpans"][0].as_object().unwrap();
        assert_eq!(resource.keys().collect::<Vec<_>>(), ["scopeSpans"]);
        let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        for absent in ["parentSpanId", "traceState", "status", "name"] {
            assert_eq!(span.get(absent), None, "{absent}");
        }
        let expected = json!([
            { "key": "empty", "value": { "stringValue": "" } },
            { "key": "zero", "value": { "intValue": "0" } },
            { "key": "false", "value": { "boolValue": false } },
            { "key": "bytes", "value": { "bytesValue": "/w==" } },
        ]);
        assert_eq!(span["attributes"], expected);
    }
}
