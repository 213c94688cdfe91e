//! Traces as Envoy's documentation shows them, in each encoding, and broken ones. That a real Envoy
//! writes them so is shown in `tests/`.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::traffic::{Exchange, Format, Note, Options, Tally, read};

fn entries(bytes: &[u8], format: Option<Format>) -> Vec<Entry> {
    let options = Options { format, ..Options::default() };
    read(io::Cursor::new(bytes.to_vec()), "t", &options).unwrap().map(Result::unwrap).collect()
}

fn exchange(entry: &Entry) -> (&Exchange, &[Note]) {
    match entry {
        Entry::Exchange { exchange, notes } => (exchange, notes),
        Entry::Skipped(skip) => panic!("{skip}"),
    }
}

fn header(key: &str, value: &[u8]) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, value)].concat()
}

/// A field with a length, as protobuf has it; shorter than 128 bytes.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn buffered() -> Vec<u8> {
    let request = [
        field(1, &header(":method", b"PUT")),
        field(1, &header(":path", b"/")),
        field(1, &header(":authority", b"web")),
        field(1, &header("x", b"caf\xe9")),
        field(2, &field(1, b"\xff\0")),
    ]
    .concat();
    let response = [field(1, &header(":status", b"200")), field(3, &header("x-sum", b"1"))].concat();
    // Lengths beyond 127 take two bytes.
    let long = |tag: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len() & 0x7f).unwrap() | 0x80;
        [&[tag << 3 | 2, length, u8::try_from(bytes.len() >> 7).unwrap()], bytes].concat()
    };
    let trace = [field(1, &request), field(2, &response)].concat();
    if trace.len() < 128 { field(1, &trace) } else { long(1, &trace) }
}

#[test]
fn json_traces_have_bodies_trailers_and_the_instants_of_heads() {
    let message = |headers: serde_json::Value, body: serde_json::Value, time: &str| json!({"headers": headers, "body": body, "trailers": [{"key": "x-sum", "value": "1"}], "headers_received_time": time});
    let request = message(
        json!([{"key": ":method", "value": "POST"}, {"key": ":scheme", "value": "https"}, {"key": ":path", "value": "/a"},
               {"key": ":authority", "value": "web:8443"}, {"key": "x-raw", "raw_value": "Y2Fm6Q=="}]),
        json!({"truncated": false, "as_bytes": "aGk="}),
        "2026-11-22T05:00:00Z",
    );
    let response = message(
        json!([{"key": ":status", "value": "200"}, {"key": "content-length", "value": "9"}]),
        json!({"truncated": true, "as_string": "ab"}),
        "2026-11-22T05:00:00.005200Z",
    );
    let text = json!({"http_buffered_trace": {"request": request, "response": response, "downstream_connection": {"local_address": {}}}});
    let found = entries(serde_json::to_string_pretty(&text).unwrap().as_bytes(), None);
    let (found, notes) = exchange(&found[0]);
    let expected: Exchange = serde_json::from_value(json!({
        "id": "1", "source": "client", "destination": "web", "start": "2026-11-22T05:00:00Z",
        "request": {"method": "POST", "scheme": "https", "authority": "web:8443", "path": "/a", "headers": [["x-raw", {"base64": "Y2Fm6Q=="}]],
                    "body_bytes": 2, "body": [{"text": "hi"}], "trailers": [["x-sum", "1"]]},
        "response": {"status": 200, "headers": [["content-length", "9"]], "body_bytes": 9, "trailers": [["x-sum", "1"]]},
        "timing_us": {"request_end": 0, "response_start": 5200, "response_end": 5200}
    }))
    .unwrap();
    assert_eq!(found, &expected);
    assert_eq!(notes, [Note::BodyCutOff]);
}

#[test]
fn binary_traces_keep_values_that_are_not_utf8() {
    let message = buffered();
    let length =
        [u8::try_from(message.len() & 0x7f).unwrap() | 0x80, u8::try_from(message.len() >> 7).unwrap()];
    let twice = [&length[..], &message, &length, &message].concat();
    for (bytes, format, count) in [(message.clone(), Format::TapBinary, 1), (twice, Format::TapDelimited, 2)]
    {
        let found = entries(&bytes, Some(format));
        assert_eq!(found.len(), count, "{format}");
        for found in found.iter().map(exchange) {
            assert_eq!(found.0.request.headers[0].1.as_bytes(), b"caf\xe9");
            assert_eq!(found.0.request.body.as_ref().unwrap()[0].data, b"\xff\0");
            assert_eq!(found.0.response.trailers[0].1, "1");
        }
    }
}

#[test]
fn segments_of_several_traces_are_joined_in_order() {
    let segment = |id: &str, piece: serde_json::Value| {
        let mut segment = json!({"trace_id": id});
        segment.as_object_mut().unwrap().extend(piece.as_object().unwrap().clone());
        json!({"http_streamed_trace_segment": segment}).to_string()
    };
    let request = |path: &str| json!({"request_headers": {"headers": [{"key": ":method", "value": "GET"}, {"key": ":path", "value": path}, {"key": ":authority", "value": "web"}]}});
    let status = json!({"response_headers": {"headers": [{"key": ":status", "value": "200"}]}});
    let chunk = |text: &str| json!({"response_body_chunk": {"as_string": text}});
    let text = [
        segment("18446744073709551615", request("/a")),
        segment("2", request("/b")),
        segment(
            "18446744073709551615",
            json!({"request_trailers": {"headers": [{"key": "x", "value": "1"}]}}),
        ),
        segment("2", status.clone()),
        segment("18446744073709551615", status.clone()),
        segment("18446744073709551615", chunk("one")),
        segment("2", chunk("other")),
        segment("18446744073709551615", chunk("two")),
        segment("2", request("/b again")),
        segment("2", status),
        segment("18446744073709551615", json!({"response_trailers": {"headers": []}})),
        segment("3", chunk("nobody's")),
    ]
    .join("\n");
    let found = entries(text.as_bytes(), None);
    let exchanges: Vec<_> = found[..3].iter().map(|entry| exchange(entry).0).collect();
    let paths: Vec<_> = exchanges
        .iter()
        .map(|exchange| (exchange.request.path.as_str(), exchange.response.body_bytes))
        .collect();
    assert_eq!(paths, [("/a", 6), ("/b", 5), ("/b again", 0)]);
    assert_eq!(exchanges[0].response.body.as_ref().unwrap().len(), 2, "chunks stay as they came");
    assert_eq!(exchanges[0].request.trailers.len(), 1);
    let Entry::Skipped(skip) = &found[3] else { panic!("{found:?}") };
    assert!(skip.to_string().starts_with("t: entry 12 at byte "), "{skip}");
}

#[test]
fn what_cannot_be_used_is_named() {
    for (text, expected) in [
        (r#"{"http_buffered_trace":{}}"#, "t: entry 1 at byte 0: has no request"),
        (r#"{"http_buffered_trace":{"request":{}}}"#, "t: entry 1 at byte 0: has no response: its status"),
        (
            r#"{"socket_buffered_trace":{"trace_id":"1"}}"#,
            "t: entry 1 at byte 0: is no HTTP exchange: a trace of a socket",
        ),
        (r#"{}"#, "t: entry 1 at byte 0: is no HTTP exchange: a trace without content"),
        (r#"{"http_buffered_trace":7}"#, "t: entry 1 at byte 0: unreadable: invalid type: integer"),
        (
            r#"{"http_buffered_trace":{"request":"#,
            "t: entry 1 at byte 0: unreadable: the file ends within it",
        ),
    ] {
        let found = entries(text.as_bytes(), Some(Format::TapJson));
        let [Entry::Skipped(skip)] = &found[..] else { panic!("{text}: {found:?}") };
        assert!(skip.to_string().starts_with(expected), "{skip}");
    }
    let cut_off = entries(&[&[0x80, 0x02][..], &buffered()].concat(), Some(Format::TapDelimited));
    let mut tally = Tally::default();
    cut_off.into_iter().for_each(|entry| _ = tally.take(entry));
    assert!(tally.to_string().contains("the file ends within it"), "{tally}");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, which in 0_usize..3) {
        let format = [Format::TapJson, Format::TapBinary, Format::TapDelimited][which];
        entries(&bytes, Some(format));
        entries(&[&buffered()[..], &bytes].concat(), Some(format));
    }
}
