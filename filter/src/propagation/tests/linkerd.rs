//! Every row of what Linkerd's proxy does with trace headers (linkerd2-proxy 29637b64f), with the
//! outcome that the standards demand where Linkerd's is another. A sidecar: it starts no traces.

use super::{expand, pass, propagator};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Headers in, headers onward (`=` if untouched), whether a span is recorded, why.
type Row = (&'static str, &'static str, bool, &'static str);

const W3C: [Row; 23] = [
    ("", "=", false, "none: a sidecar starts no trace, as Linkerd"),
    (
        "traceparent: 00-{T}-{P}-01\ntracestate: a=1, b=2\nbaggage: k=v;p , x=\u{e9}",
        "traceparent: 00-{T}-{S}-01\ntracestate: a=1,b=2\nbaggage: k=v;p , x=\u{e9}",
        true,
        "continued; the list is the same without its optional white space, baggage is untouched",
    ),
    ("traceparent: 00-{T}-{P}-00", "traceparent: 00-{T}-{S}-00", false, "unsampled: no span, as Linkerd"),
    ("traceparent: 00-{T}-{P}-ff", "traceparent: 00-{T}-{S}-03", true, "Linkerd sends ff: rule 7"),
    ("traceparent: 00-{T}-{P}-02", "traceparent: 00-{T}-{S}-02", false, "random but unsampled, as Linkerd"),
    ("traceparent: 00-{T}-{P}-0101", "=", false, "Linkerd rewrites to 01: rule 3, 57 characters"),
    ("traceparent: 00-{T}-{P}-011", "=", false, "flags of three digits are invalid, as Linkerd"),
    ("traceparent: 00-{T}-{P}", "=", false, "without flags it is invalid, as Linkerd"),
    ("traceparent: 00-{T}-{P}-01-x", "=", false, "version 00 has no fifth field, as Linkerd"),
    ("traceparent:  00-{T}-{P}-01", "traceparent: 00-{T}-{S}-01", true, "Linkerd refuses a space: rule 6"),
    ("traceparent: ff-{T}-{P}-01", "=", false, "version ff is invalid, as Linkerd"),
    ("traceparent: 00-00000000000000000000000000000000-{P}-01", "=", false, "zero trace id, as Linkerd"),
    ("traceparent: 00-{T}-0000000000000000-01", "=", false, "zero parent id, as Linkerd"),
    ("traceparent: 00-{T}-{P}-", "=", false, "Linkerd panics: rule 2, empty flags are invalid"),
    (
        "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-{P}-01",
        "=",
        false,
        "Linkerd lowers the case and records: rule 2, upper case is invalid",
    ),
    ("traceparent: 00-ab-cd-01", "=", false, "Linkerd pads short ids and records: rule 2"),
    ("traceparent: 00-{P}-{P}-01", "=", false, "Linkerd pads a trace id of 16 digits: rule 2"),
    ("traceparent: 00-{T}ab-{P}-01", "=", false, "Linkerd forwards 34 digits, loses the span: rule 2"),
    (
        "traceparent: 00-{T}-{P}-01\ntraceparent: 00-{O}-{Q}-01",
        "=",
        false,
        "Linkerd takes the first of two: rule 6, they are invalid",
    ),
    (
        "traceparent: 00-{T}-{P}-01\nx-b3-traceid: {O}\nx-b3-spanid: {Q}\nx-b3-sampled: 0",
        "traceparent: 00-{T}-{S}-01",
        true,
        "W3C counts, as Linkerd, which leaves the other trace beside it: rule 21",
    ),
    (
        "traceparent: 00-{T}-{P}-01\nx-b3-traceid: {T}\nx-b3-spanid: {Q}\nx-b3-sampled: 0",
        "traceparent: 00-{T}-{S}-01\nx-b3-traceid: {T}\nx-b3-spanid: {Q}\nx-b3-sampled: 0",
        true,
        "the same trace in B3 is forwarded as it is, as Linkerd: rule 21",
    ),
    (
        "traceparent: 00-{T}-{P}-00\nx-b3-sampled: 1",
        "traceparent: 00-{T}-{S}-00\nx-b3-sampled: 1",
        false,
        "W3C alone decides, as Linkerd; a decision alone names no other trace, so it stays",
    ),
    (
        "traceparent: 01-{T}-{P}-01\nx-b3-traceid: {O}\nx-b3-spanid: {Q}\nx-b3-sampled: 1",
        "traceparent: 00-{T}-{S}-01",
        true,
        "Linkerd refuses version 01 and takes B3: rule 5, it is read and sent as 00",
    ),
];

const B3: [Row; 11] = [
    (
        "traceparent: 00-{T}-{P}-1\ntracestate: a=1\nx-b3-traceid: {O}\nx-b3-spanid: {Q}\nx-b3-sampled: 1",
        "x-b3-traceid: {O}\nx-b3-spanid: {S}\nx-b3-sampled: 1",
        true,
        "B3 counts, as Linkerd, which keeps the bad traceparent: rule 21, it goes with its tracestate",
    ),
    ("b3: {T}-{P}-1", "b3: {T}-{S}-1", true, "Linkerd does not read b3: rule 15"),
    (
        "x-b3-traceid: {P}\nx-b3-spanid: {Q}\nx-b3-sampled: 1",
        "x-b3-traceid: 0000000000000000{P}\nx-b3-spanid: {S}\nx-b3-sampled: 1",
        true,
        "Linkerd leaves 16 digits: rule 16, padded, so that all spans name one trace",
    ),
    (
        "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-sampled: true",
        "x-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-sampled: 1",
        true,
        "Linkerd takes true for no: rule 17",
    ),
    (
        "x-b3-traceid: {T}\nx-b3-spanid: {P}",
        "x-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-sampled: 1",
        true,
        "Linkerd takes absence for no: rule 17, our sampler decides, and says so onward",
    ),
    (
        "x-b3-traceid: {T}\nx-b3-spanid: {P}\nx-b3-flags: 1",
        "x-b3-traceid: {T}\nx-b3-spanid: {S}\nx-b3-flags: 1",
        true,
        "Linkerd ignores the debug flag: rule 18",
    ),
    ("x-b3-traceid: {T}\nx-b3-sampled: 1", "=", false, "without a span id it is invalid, as Linkerd"),
    (
        "x-b3-traceid: 00000000000000000000000000000000\nx-b3-spanid: {P}\nx-b3-sampled: 1",
        "=",
        false,
        "Linkerd exports a zero trace id: invalid",
    ),
    (
        "x-b3-traceid: {T}\nx-b3-spanid: 0000000000000000\nx-b3-sampled: 1",
        "=",
        false,
        "Linkerd exports a child of a zero span id: invalid",
    ),
    ("x-b3-traceid: \nx-b3-spanid: {P}\nx-b3-sampled: 1", "=", false, "Linkerd exports an empty trace id"),
    ("x-b3-traceid: {T}\nx-b3-spanid: \nx-b3-sampled: 1", "=", false, "and an empty parent: both invalid"),
];

const GRPC_BIN: [Row; 6] = [
    (
        "grpc-trace-bin: {bin T-P-1}",
        "grpc-trace-bin: {bin T-S-1}",
        true,
        "Linkerd refuses what grpc-go sends, base64 without padding",
    ),
    (
        "grpc-trace-bin: {bin T-P-1}=",
        "grpc-trace-bin: {bin T-S-1}",
        true,
        "with padding it is read, as Linkerd, but written without, as gRPC's own do",
    ),
    (
        "grpc-trace-bin: {bin T-P-1}=\nx-b3-traceid: {O}\nx-b3-spanid: {Q}",
        "grpc-trace-bin: {bin T-S-1}",
        true,
        "the binary form counts before B3, as Linkerd, which leaves the other trace: rule 21",
    ),
    (
        "grpc-trace-bin: {bin T-P-1}=\nx-b3-traceid: {T}\nx-b3-spanid: {P}",
        "grpc-trace-bin: {bin T-S-1}\nx-b3-traceid: {T}\nx-b3-spanid: {P}",
        true,
        "the same trace in B3 is forwarded as it is, as Linkerd",
    ),
    ("grpc-trace-bin: AA", "=", false, "Linkerd rewrites a version without ids to a malformed value"),
    (
        "grpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3",
        "grpc-trace-bin: AABL+S81d7NNpqPOkp0ODkc2AVOZXD9CzYrYAgA",
        false,
        "without options it is not sampled, as Linkerd",
    ),
];

#[test]
fn linkerds_table_with_the_standards_outcome() {
    for (input, output, recorded, reason) in W3C.iter().chain(&B3).chain(&GRPC_BIN) {
        let passed = pass(&propagator(), false, input);
        let output = if *output == "=" { input } else { output };
        assert_eq!(passed.list.text(), expand(output), "{reason}: {input}");
        assert_eq!(passed.recorded, *recorded, "{reason}: {input}");
    }
}
