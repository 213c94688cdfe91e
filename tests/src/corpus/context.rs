//! Trace context: every format valid, invalid and in conflict with others; sampling decisions; baggage.

use super::{Row, row};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const OTHER_TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const OTHER_SPAN: &str = "e457b5a2e4d86bd1";
const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// `grpc-trace-bin` of the same trace and span, sampled.
const BIN: &str = "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE";

const TRACEPARENTS: [(&str, &str); 24] = [
    ("sampled", W3C),
    ("unsampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
    ("random flag", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02"),
    ("both flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"),
    ("all flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff"),
    ("a later version", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("a later version with more", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"),
    ("a later version without a dash", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x"),
    ("version ff", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("version 00 with more", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"),
    ("upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
    ("trace of zeros", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
    ("span of zeros", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
    ("short trace", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01"),
    ("long trace", "00-4bf92f3577b34da6a3ce929d0e0e47366-00f067aa0ba902b7-01"),
    ("short span", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01"),
    ("flags of one digit", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"),
    ("flags not hexadecimal", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-xy"),
    ("no dashes", "004bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b701"),
    ("spaces around dashes", "00 - 4bf92f3577b34da6a3ce929d0e0e4736 - 00f067aa0ba902b7 - 01"),
    ("empty", ""),
    ("one dash", "-"),
    ("a plus sign", "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (
        "two in one",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01,00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01",
    ),
];

const B3: [(&str, &str); 17] = [
    ("128 bits", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1"),
    ("64 bits", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1"),
    ("with a parent", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90"),
    ("debug", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d"),
    ("unsampled", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0"),
    ("undecided", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1"),
    ("deny alone", "0"),
    ("accept alone", "1"),
    ("debug alone", "d"),
    ("upper case", "80F198EE56343BA864FE8B2A57D3EFF7-E457B5A2E4D86BD1-1"),
    ("unknown decision", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-x"),
    ("short span", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd-1"),
    ("zeros", "00000000000000000000000000000000-0000000000000000-1"),
    ("no span", "80f198ee56343ba864fe8b2a57d3eff7"),
    ("empty", ""),
    ("a bad parent", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-zz"),
    ("too many parts", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90-1"),
];

const TRACESTATES: [(&str, &[&str]); 14] = [
    ("one", &["a=1"]),
    ("several", &["a=1,b=2,c=3"]),
    ("in two headers", &["a=1", "b=2"]),
    ("spaces and tabs", &["a=1 ,\tb=2"]),
    ("empty members", &["a=1,,b=2,"]),
    ("empty", &[""]),
    ("a tenant", &["fw529a3039@dt=FfAsd0"]),
    ("a key twice", &["a=1,a=2"]),
    ("upper case key", &["A=1"]),
    ("no value", &["a"]),
    ("an equals sign in the value", &["a=b=c"]),
    ("not ASCII", &["a=caf\u{e9}"]),
    ("OpenTelemetry's", &["ot=th:8;rv:01020304050607"]),
    ("OpenTelemetry's wrong threshold", &["ot=th:xyz;rv:zz,b=2"]),
];

pub(super) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.push(row("no context"));
    rows.extend(
        TRACEPARENTS.map(|(reason, value)| row(format!("traceparent: {reason}")).field("traceparent", value)),
    );
    rows.extend(B3.map(|(reason, value)| row(format!("b3: {reason}")).field("b3", value)));
    for (reason, values) in TRACESTATES {
        let traced = row(format!("tracestate: {reason}")).field("traceparent", W3C);
        rows.push(values.iter().fold(traced, |row, value| row.field("tracestate", *value)));
    }
    let members: String = (0..40).map(|number| format!("k{number}=v,")).collect();
    rows.push(row("tracestate: forty members").field("traceparent", W3C).field("tracestate", members));
    rows.push(row("tracestate: without traceparent").field("tracestate", "a=1"));
    rows.extend(multi());
    rows.extend(binary());
    rows.extend(conflicts());
    rows.extend(baggage());
    rows
}

/// The `x-b3-*` family.
fn multi() -> Vec<Row> {
    let ids = [("x-b3-traceid", OTHER_TRACE), ("x-b3-spanid", OTHER_SPAN)];
    let table: [(&str, &[(&str, &str)]); 14] = [
        ("sampled", &[ids[0], ids[1], ("x-b3-sampled", "1")]),
        ("unsampled", &[ids[0], ids[1], ("x-b3-sampled", "0")]),
        ("true", &[ids[0], ids[1], ("x-b3-sampled", "true")]),
        ("False", &[ids[0], ids[1], ("x-b3-sampled", "False")]),
        ("undecided", &[ids[0], ids[1]]),
        ("debug", &[ids[0], ids[1], ("x-b3-flags", "1")]),
        ("debug and unsampled", &[ids[0], ids[1], ("x-b3-sampled", "0"), ("x-b3-flags", "1")]),
        (
            "with a parent",
            &[ids[0], ids[1], ("x-b3-parentspanid", "05e3ac9a4f6e3b90"), ("x-b3-sampled", "1")],
        ),
        ("64 bits", &[("x-b3-traceid", "64fe8b2a57d3eff7"), ids[1], ("x-b3-sampled", "1")]),
        (
            "mixed case names",
            &[("X-B3-TraceId", OTHER_TRACE), ("X-B3-SpanId", OTHER_SPAN), ("X-B3-Sampled", "1")],
        ),
        ("only a decision", &[("x-b3-sampled", "0")]),
        ("no span", &[ids[0], ("x-b3-sampled", "1")]),
        ("no trace", &[ids[1], ("x-b3-sampled", "1")]),
        ("a trace twice", &[ids[0], ("x-b3-traceid", TRACE), ids[1], ("x-b3-sampled", "1")]),
    ];
    let rows = table.map(|(reason, fields)| {
        let plain = row(format!("b3multi: {reason}"));
        fields.iter().fold(plain, |row, (name, value)| row.field(name, *value))
    });
    rows.to_vec()
}

fn binary() -> Vec<Row> {
    let table = [
        ("sampled", BIN),
        ("padded", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE="),
        ("unsampled", "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgA"),
        ("not Base64", "*not base64*"),
        ("short", "AABL"),
        ("another version", "AQBL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE"),
        ("empty", ""),
    ];
    table
        .map(|(reason, value)| row(format!("grpc-trace-bin: {reason}")).field("grpc-trace-bin", value))
        .to_vec()
}

fn conflicts() -> Vec<Row> {
    let other = format!("{OTHER_TRACE}-{OTHER_SPAN}-1");
    let same = format!("{TRACE}-{SPAN}-1");
    let unsampled = format!("{TRACE}-{SPAN}-0");
    let broken = "00-zz-zz-01";
    let table: [(&str, &[(&str, &str)]); 14] = [
        ("traceparent and b3 of one trace", &[("traceparent", W3C), ("b3", &same)]),
        ("traceparent and b3 of two traces", &[("traceparent", W3C), ("b3", &other)]),
        ("traceparent and b3 that disagree on sampling", &[("traceparent", W3C), ("b3", &unsampled)]),
        ("b3 before traceparent", &[("b3", &other), ("traceparent", W3C)]),
        ("a broken traceparent and b3", &[("traceparent", broken), ("b3", &other)]),
        (
            "a broken traceparent with tracestate and b3",
            &[("traceparent", broken), ("tracestate", "a=1"), ("b3", &other)],
        ),
        (
            "traceparent and b3multi",
            &[("traceparent", W3C), ("x-b3-traceid", OTHER_TRACE), ("x-b3-spanid", OTHER_SPAN)],
        ),
        ("traceparent and grpc-trace-bin", &[("traceparent", W3C), ("grpc-trace-bin", BIN)]),
        ("grpc-trace-bin and b3 of two traces", &[("grpc-trace-bin", BIN), ("b3", &other)]),
        (
            "b3 and b3multi",
            &[("b3", &other), ("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")],
        ),
        ("b3 deny and traceparent", &[("traceparent", W3C), ("b3", "0")]),
        (
            "all formats",
            &[("traceparent", W3C), ("grpc-trace-bin", BIN), ("b3", &other), ("x-b3-sampled", "1")],
        ),
        ("two traceparents that agree", &[("traceparent", W3C), ("traceparent", W3C)]),
        (
            "two traceparents that do not",
            &[
                ("traceparent", W3C),
                ("traceparent", "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01"),
            ],
        ),
    ];
    let rows = table.map(|(reason, fields)| {
        let plain = row(format!("conflict: {reason}"));
        fields.iter().fold(plain, |row, (name, value)| row.field(name, *value))
    });
    rows.to_vec()
}

fn baggage() -> Vec<Row> {
    let table: [(&str, &[&str]); 5] = [
        ("one", &["k=v"]),
        ("properties", &["k=v;p=1;q, x=%20y"]),
        ("in two headers", &["a=1", "b=2"]),
        ("empty", &[""]),
        ("not ASCII", &["k=caf\u{e9}"]),
    ];
    let rows = table.map(|(reason, values)| {
        let traced = row(format!("baggage: {reason}")).field("traceparent", W3C);
        values.iter().fold(traced, |row, value| row.field("baggage", *value))
    });
    rows.to_vec()
}
