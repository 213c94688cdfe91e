//! Reference of the environment variables that [`environment`](super::environment) reads, for people.
//! Its tests hold the names against the source and what is said of them against what happens.

use serde_json::Value;

use super::schema;

/// What is read from the environment.
pub(super) struct Variable {
    /// The names of which the first that is set counts.
    pub(super) names: &'static [&'static str],
    /// The configuration's keys that it sets, each of which counts before it.
    pub(super) keys: &'static [&'static str],
    /// What it may be.
    pub(super) meaning: &'static str,
    /// A value that changes something.
    pub(super) example: &'static str,
}

const NUMBER: &str = "a whole number in the key's range";

/// In the order in which people look for them.
pub(super) const VARIABLES: [Variable; 16] = [
    Variable {
        names: &["OTEL_SERVICE_NAME"],
        keys: &["service.name"],
        meaning: "a text; counts before a `service.name` in `OTEL_RESOURCE_ATTRIBUTES`",
        example: "web",
    },
    Variable {
        names: &["OTEL_RESOURCE_ATTRIBUTES"],
        keys: &["resource", "service.name", "service.namespace", "service.instance"],
        meaning: "`key=value,…`, values percent-encoded; keys that the configuration does not have are added",
        example: "service.name=web,service.namespace=shop,service.instance.id=1,a=b",
    },
    Variable {
        names: &["OTEL_PROPAGATORS"],
        keys: &["propagation.extract"],
        meaning: "names of formats with commas between them; `none` and `baggage` mean nothing here, since baggage \
                  always passes as it is; others are warned of and ignored",
        example: "b3,baggage",
    },
    Variable {
        names: &["OTEL_TRACES_SAMPLER"],
        keys: &["sampling.default"],
        meaning: "`parentbased_always_on`, `parentbased_always_off` or `parentbased_traceidratio`. `always_on`, \
                  `always_off` and `traceidratio` are taken as these, with a warning: what the caller has decided \
                  always holds, unless a rule says `override`",
        example: "parentbased_always_off",
    },
    Variable {
        names: &["OTEL_TRACES_SAMPLER_ARG"],
        keys: &[],
        meaning: "the ratio of `parentbased_traceidratio`, 0 to 1; 1 if there is none",
        example: "0.5",
    },
    Variable {
        names: &["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
        keys: &["export.protocol"],
        meaning: "`grpc` or `http/protobuf`",
        example: "http/protobuf",
    },
    Variable {
        names: &["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
        keys: &["export.authority", "export.path"],
        meaning: "a URL, of which host and path are sent; where spans go is up to `export.cluster` alone. The \
                  second one's path gets `/v1/traces` behind it",
        example: "http://otel:4318/base",
    },
    Variable {
        names: &["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
        keys: &["export.headers"],
        meaning: "`name=value,…`, values percent-encoded; headers that the configuration does not have are added",
        example: "x-key=1",
    },
    Variable {
        names: &["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
        keys: &["export.timeout_ms"],
        meaning: NUMBER,
        example: "500",
    },
    Variable {
        names: &["OTEL_BSP_SCHEDULE_DELAY"],
        keys: &["export.max_delay_ms"],
        meaning: NUMBER,
        example: "500",
    },
    Variable {
        names: &["OTEL_BSP_MAX_QUEUE_SIZE"],
        keys: &["export.max_queue_spans"],
        meaning: NUMBER,
        example: "600",
    },
    Variable {
        names: &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
        keys: &["export.max_batch_spans"],
        meaning: NUMBER,
        example: "100",
    },
    Variable {
        names: &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
        keys: &["spans.max_attributes"],
        meaning: NUMBER,
        example: "64",
    },
    Variable {
        names: &["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"],
        keys: &["spans.max_attribute_length"],
        meaning: NUMBER,
        example: "64",
    },
    Variable {
        names: &["OTEL_SDK_DISABLED"],
        keys: &[],
        meaning: "`true`: no request is traced, and headers go on as they came, whatever the configuration says",
        example: "true",
    },
    Variable {
        names: &["OTEL_CONFIG_FILE"],
        keys: &[],
        meaning: "not supported, with a warning: the plugin has no files",
        example: "/otel.yaml",
    },
];

/// A Markdown table of the variables, what they set, the defaults and what counts before them.
pub fn variables() -> String {
    let schema = schema::schema();
    let mut out =
        String::from("| variable | sets | default | counts after | value |\n|---|---|---|---|---|\n");
    for Variable { names, keys, meaning, example } in VARIABLES {
        let list = |texts: &[String]| if texts.is_empty() { "–".to_owned() } else { texts.join(", ") };
        let code = |texts: &[&str]| list(&texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>());
        let defaults = |key: &&str| match default(&schema, key) {
            Value::Null => "none".to_owned(),
            value => format!("`{value}`"),
        };
        let defaults = list(&keys.iter().map(defaults).collect::<Vec<_>>());
        for (i, name) in names.iter().enumerate() {
            let before = [keys, names.get(..i).unwrap_or_default()].concat();
            let (sets, before) = (code(keys), code(&before));
            out.push_str(&format!(
                "| `{name}` | {sets} | {defaults} | {before} | {meaning}: `{example}` |\n"
            ));
        }
    }
    out
}

/// The default of a key such as `export.path`; null if there is none.
fn default(schema: &Value, key: &str) -> Value {
    let place = format!("/properties/{}/default", key.replace('.', "/properties/"));
    schema.pointer(&place).cloned().unwrap_or_default()
}
