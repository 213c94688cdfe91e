//! HAR as its writers write it, and as it should not be written.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::traffic::{Exchange, Options, Tally, read};

fn har(entries: &[Value]) -> String {
    json!({"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "pages": [], "entries": entries}}).to_string()
}

fn entries(text: &str) -> Vec<Entry> {
    let reader = io::Cursor::new(text.as_bytes().to_vec());
    read(reader, "t.har", &Options::default()).unwrap().map(Result::unwrap).collect()
}

/// The only exchange, and the notes about it.
fn one(entry: Value) -> (Exchange, Vec<Note>) {
    match entries(&har(&[entry])).remove(0) {
        Entry::Exchange { exchange, notes } => (*exchange, notes),
        Entry::Skipped(skip) => panic!("{skip}"),
    }
}

/// As Chrome writes it.
fn chrome() -> Value {
    json!({
        "_connectionId": "67", "_initiator": {"type": "script"}, "_priority": "High", "_resourceType": "fetch",
        "cache": {}, "connection": "443", "pageref": "page_1",
        "request": {
            "method": "POST", "url": "https://shop.test/api/cart?x=1#top", "httpVersion": "h2",
            "headers": [
                {"name": ":authority", "value": "shop.test"}, {"name": ":method", "value": "POST"},
                {"name": ":path", "value": "/api/cart?x=1"}, {"name": ":scheme", "value": "https"},
                {"name": "content-type", "value": "application/json"}, {"name": "accept", "value": "*/*"}
            ],
            "queryString": [{"name": "x", "value": "1"}], "cookies": [], "headersSize": -1, "bodySize": 7,
            "postData": {"mimeType": "application/json", "text": "{\"a\":1}"}
        },
        "response": {
            "status": 201, "statusText": "", "httpVersion": "h2",
            "headers": [
                {"name": "content-encoding", "value": "br"}, {"name": "content-length", "value": "9"},
                {"name": "set-cookie", "value": "a=1\nb=2"}, {"name": "vary", "value": "accept"}
            ],
            "cookies": [], "content": {"size": 2, "mimeType": "application/json", "text": "b2s=", "encoding": "base64"},
            "redirectURL": "", "headersSize": -1, "bodySize": -1, "_transferSize": 99, "_error": null
        },
        "serverIPAddress": "127.0.0.1", "startedDateTime": "2026-11-22T05:00:00.120Z", "time": 31.5,
        "timings": {"blocked": 1.0, "dns": -1, "ssl": -1, "connect": -1, "send": 0.2, "wait": 25, "receive": 5.3, "_blocked_queueing": 0.8}
    })
}

#[test]
fn chromes_entry_becomes_what_was_on_the_wire() {
    let (exchange, notes) = one(chrome());
    let expected: Exchange = serde_json::from_value(json!({
        "id": "1", "source": "client", "destination": "shop.test", "start": "2026-11-22T05:00:00.121Z",
        "request": {
            "method": "POST", "scheme": "https", "authority": "shop.test", "path": "/api/cart?x=1",
            "headers": [["content-type", "application/json"], ["accept", "*/*"]],
            "body_bytes": 7, "body": [{"text": "{\"a\":1}"}]
        },
        "response": {
            "status": 201, "headers": [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["vary", "accept"]],
            "body_bytes": 2, "body": [{"text": "ok"}]
        },
        "timing_us": {"request_end": 200, "response_start": 25_200, "response_end": 30_500}
    }))
    .unwrap();
    assert_eq!(exchange, expected);
    assert_eq!(notes, [Note::BodyDecoded]);
}

#[test]
fn next_to_nothing_is_enough() {
    let entry =
        json!({"request": {"method": "get", "url": "http://web:8080"}, "response": {"status": "204"}});
    let (exchange, notes) = one(entry);
    assert_eq!(exchange.request.method, "GET");
    assert_eq!((exchange.request.path.as_str(), exchange.destination.as_str()), ("/", "web"));
    assert_eq!((exchange.response.status, exchange.response.body_bytes), (204, 0));
    assert_eq!(notes, [Note::StartAssumed]);
}

#[test]
fn a_body_that_was_left_out_has_a_size() {
    let mut entry = chrome();
    entry["response"]["content"] = json!({"size": 1_000, "mimeType": "image/png"});
    entry["request"]["postData"] = json!({"mimeType": "multipart/form-data", "params": []});
    let (exchange, notes) = one(entry);
    assert_eq!((exchange.response.body_bytes, exchange.response.body), (9, None));
    assert_eq!((exchange.request.body_bytes, exchange.request.body), (7, None));
    assert_eq!(notes, [Note::BodyLeftOut]);
}

#[test]
fn what_was_transferred_is_no_body() {
    let mut entry = chrome();
    entry["response"]["status"] = json!(302);
    entry["response"]["headers"] = json!([{"name": "location", "value": "/"}]);
    entry["response"]["content"] = json!({"size": 0, "mimeType": "x-unknown"});
    let (exchange, notes) = one(entry);
    assert_eq!((exchange.response.body_bytes, notes), (0, vec![]));
}

#[test]
fn a_body_that_is_no_text_is_one_byte_a_sign() {
    for (length, text, expected) in [
        (Some("4"), "\u{0}\u{ff}\u{80}\n", &b"\x00\xff\x80\n"[..]),
        (Some("6"), "\u{0}\u{ff}\u{80}\n", "\u{0}\u{ff}\u{80}\n".as_bytes()),
        (None, "\u{ff}", "\u{ff}".as_bytes()),
        (Some("2"), "ż", "ż".as_bytes()),
        (Some("1"), "ż", "ż".as_bytes()),
    ] {
        let mut entry = chrome();
        entry["request"]["postData"] = json!({"mimeType": "application/octet-stream", "text": text});
        let header = length.map(|length| json!({"name": "content-length", "value": length}));
        entry["request"]["headers"] = header.into_iter().collect();
        let (exchange, _) = one(entry);
        let body = exchange.request.body.unwrap();
        assert_eq!(body[0].data, expected, "{length:?} {text:?}");
    }
}

#[test]
fn an_answer_that_has_no_body_gets_none_from_the_cache() {
    let mut entry = chrome();
    entry["response"]["status"] = json!(304);
    let (exchange, _) = one(entry);
    assert_eq!((exchange.response.body_bytes, exchange.response.body), (0, None));
    let mut entry = chrome();
    entry["request"]["method"] = json!("HEAD");
    entry["response"]["content"] = json!({"size": 0});
    let (exchange, notes) = one(entry);
    assert_eq!((exchange.response.body_bytes, notes), (0, vec![]));
}

#[test]
fn what_cannot_be_used_is_skipped_with_its_place_and_reason() {
    let with = |place: &[&str], value: Value| {
        let mut entry = chrome();
        place.iter().fold(&mut entry, |entry, key| &mut entry[*key]).clone_from(&value);
        entry
    };
    let rows = [
        (with(&["response", "status"], json!(0)), "has no response: its status is 0 or missing"),
        (
            with(&["response"], json!({"status": 0, "_error": "net::ERR_ABORTED"})),
            "has no response: net::ERR_ABORTED",
        ),
        (with(&["response"], Value::Null), "has no response"),
        (with(&["response", "status"], json!(101)), "is no HTTP exchange: an upgrade"),
        (with(&["response", "status"], json!(999)), "response.status is 999, expected 200 to 599"),
        (with(&["_resourceType"], json!("websocket")), "is no HTTP exchange: a WebSocket"),
        (
            with(&["request", "url"], json!("wss://shop.test/")),
            "is no HTTP exchange: its URL's scheme is \"wss\"",
        ),
        (
            with(&["request", "url"], json!("blob:https://x/1")),
            "is no HTTP exchange: its URL's scheme is \"blob\"",
        ),
        (with(&["_fromCache"], json!("disk")), "is no HTTP exchange: answered by the browser's disk cache"),
        (
            with(&["response"], json!({"status": 200, "bodySize": -114, "_transferSize": 0})),
            "is no HTTP exchange: answered by the browser's cache",
        ),
        (
            with(&["response"], json!({"status": -1, "_failureText": "net::ERR_ABORTED"})),
            "has no response: net::ERR_ABORTED",
        ),
        (with(&["request", "url"], json!(7)), "has no request.url"),
        (with(&["request"], json!({"url": "http://web/"})), "has no method"),
        (with(&["request", "method"], json!("G T")), "request.method is \"G T\", expected a method"),
        (with(&["request", "headers"], json!([{"name": "a b", "value": ""}])), "request.headers is \"a b\""),
        (
            with(&["response", "content", "text"], json!("*")),
            "unreadable: response.content.text is no base64",
        ),
        (with(&["timings", "wait"], json!(1e9)), "timing_us.response_end is 1000000005500, expected at most"),
        (json!("x"), "has no request.url"),
    ];
    for (entry, expected) in rows {
        let found = entries(&har(&[chrome(), entry, chrome()]));
        let Entry::Skipped(skip) = &found[1] else { panic!("{expected}: {:?}", found[1]) };
        assert!(skip.to_string().starts_with("t.har: entry 2 at byte "), "{skip}");
        assert!(skip.reason.to_string().starts_with(expected), "{expected}: {skip}");
        assert!(matches!(&found[2], Entry::Exchange { exchange, .. } if exchange.id == "3"), "{expected}");
    }
}

#[test]
fn a_file_that_was_cut_off_gives_what_it_has() {
    let text = har(&[chrome(), chrome()]);
    let mut tally = Tally::default();
    entries(&text[..text.len() - 40]).into_iter().for_each(|entry| _ = tally.take(entry));
    assert_eq!((tally.exchanges, tally.skipped_count()), (1, 1));
    assert!(tally.to_string().contains("the file ends within it"), "{tally}");
}

#[test]
fn a_document_without_entries_is_refused() {
    for text in [r#"{"log":{}}"#, r#"{"log":[1]}"#] {
        let error = read(text.as_bytes(), "t.har", &Options::default()).unwrap_err().to_string();
        assert!(
            error.starts_with("t.har: no array \"log\".\"entries\" was found, expected a HAR document"),
            "{error}"
        );
    }
}

proptest! {
    /// Whatever one field is replaced with, the entry is used or skipped, and the next one is read.
    #[test]
    fn no_value_of_any_field_makes_it_panic(field in 0_usize..40, value in any_value()) {
        let mut entry = chrome();
        let mut left = field;
        replace(&mut entry, &mut left, &value);
        prop_assert_eq!(entries(&har(&[entry, chrome()])).len(), 2);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let text = [br#"{"log":{"entries":["#.as_slice(), &bytes].concat();
        read(io::Cursor::new(text), "t.har", &Options::default()).unwrap().for_each(drop);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ]
}

/// Puts `value` in the place of the field with that number, counted in depth.
fn replace(entry: &mut Value, left: &mut usize, value: &Value) {
    if *left == 0 {
        entry.clone_from(value);
        *left = usize::MAX;
        return;
    }
    *left -= 1;
    let children: Vec<&mut Value> = match entry {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => return,
    };
    children.into_iter().for_each(|child| replace(child, left, value));
}

/// Written by mitmproxy 11.0.2 (`hardump`) from four requests of curl: a query and a cookie, bytes, a form, and
/// a port where nobody listens. Only its spaces are left out.
#[test]
fn mitmproxys_export_is_read_with_bodies_and_times() {
    let found = entries(include_str!("mitmproxy.har"));
    let exchanges: Vec<&Exchange> = found
        .iter()
        .filter_map(|entry| match entry {
            Entry::Exchange { exchange, notes } if notes.is_empty() => Some(&**exchange),
            _ => None,
        })
        .collect();
    let shown: Vec<_> = exchanges
        .iter()
        .map(|exchange| {
            let Exchange { request, response, .. } = exchange;
            (
                request.method.as_str(),
                request.path.as_str(),
                request.body_bytes,
                response.status,
                response.body_bytes,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [("GET", "/a.json?q=1", 0, 200, 12), ("GET", "/b.bin", 0, 200, 20), ("POST", "/none", 7, 501, 357)]
    );
    assert_eq!(exchanges[0].request.authority, "127.0.0.1:18473");
    assert_eq!(header(&exchanges[0].request.headers, "cookie"), Some("a=b; c=d"));
    assert_eq!(exchanges[0].response.body.as_ref().unwrap()[0].data, b"{\"ok\":true}\n");
    assert!(exchanges[1].response.body.as_ref().unwrap()[0].data.starts_with(&[0x3f, 0xfb, 0x55]));
    assert!(exchanges.iter().all(|exchange| exchange.timing_us.response_start > 20_000));
    let Entry::Skipped(skip) = &found[3] else { panic!("{:?}", found[3]) };
    assert_eq!(skip.reason.kind(), "no response");
}
