//! Targets as vegeta's documentation shows them, and broken ones.

use serde_json::json;

use super::super::Entry;
use super::*;
use crate::traffic::{Exchange, Options, read};

fn entries(text: &str, name: &str) -> Vec<Entry> {
    let reader = io::Cursor::new(text.as_bytes().to_vec());
    read(reader, name, &Options::default()).unwrap().map(Result::unwrap).collect()
}

fn exchange(entry: &Entry) -> (&Exchange, &[Note]) {
    match entry {
        Entry::Exchange { exchange, notes } => (exchange, notes),
        Entry::Skipped(skip) => panic!("{skip}"),
    }
}

#[test]
fn a_json_target_becomes_a_request_and_an_assumed_answer() {
    let found = entries(
        r#"{"method":"POST","url":"https://goku:9090/things?a=b","body":"aGk=","header":{"X-Id":["1","2"]}}"#,
        "targets",
    );
    let (found, notes) = exchange(&found[0]);
    let expected: Exchange = serde_json::from_value(json!({
        "id": "1", "source": "client", "destination": "goku", "start": "1970-01-01T00:00:00Z",
        "request": {
            "method": "POST", "scheme": "https", "authority": "goku:9090", "path": "/things?a=b",
            "headers": [["X-Id", "1"], ["X-Id", "2"]], "body_bytes": 2, "body": [{"text": "hi"}]
        },
        "response": {"status": 200},
        "timing_us": {"request_end": 0, "response_start": 1000, "response_end": 1000}
    }))
    .unwrap();
    assert_eq!(found, &expected);
    assert_eq!(notes, [Note::ResponseAssumed, Note::StartAssumed]);
}

/// Those of vegeta's own documentation.
#[test]
fn http_targets_are_separated_by_empty_lines_or_by_the_next_one() {
    let text = "# a comment\nGET http://user:password@goku:9090/path/to\nX-Account-ID: 8675309\n\n\
                DELETE http://goku:9090/path/to/remove\nConfirmation-Token: 90215\n\
                Authorization: Token DEADBEEF\n\nPOST http://goku:9090/things\n@/path/to/body.json\n\
                PATCH http://goku:9090/thing/71988591\n@/path/to/thing.json\n";
    let found = entries(text, "targets.txt");
    let shown: Vec<_> = found
        .iter()
        .map(exchange)
        .map(|(exchange, notes)| {
            let headers: Vec<_> = exchange.request.headers.iter().map(|(name, _)| name.as_str()).collect();
            (
                exchange.request.method.as_str(),
                exchange.request.path.as_str(),
                headers.join(" "),
                notes.contains(&Note::BodyLeftOut),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("GET", "/path/to", "X-Account-ID".to_owned(), false),
            ("DELETE", "/path/to/remove", "Confirmation-Token Authorization".to_owned(), false),
            ("POST", "/things", String::new(), true),
            ("PATCH", "/thing/71988591", String::new(), true),
        ]
    );
    assert_eq!(exchange(&found[0]).0.request.authority, "goku:9090", "credentials are left out");
    assert_eq!(exchange(&found[3]).0.start.as_millisecond(), 30, "10 ms after each other");
}

#[test]
fn broken_targets_are_skipped_by_name() {
    for (text, name, expected) in [
        ("GET http://web/\n\nGET /relative\n", "t.txt", "t.txt: line 3: has no absolute URL"),
        ("GET http://web/\nno colon\n", "t.txt", "t.txt: line 1: unreadable: a header without a colon"),
        (
            "GET http://web/\n\nnonsense\n",
            "t.txt",
            "t.txt: line 3: unreadable: \"nonsense\" is no method and URL",
        ),
        (
            "{\"method\":\"GET\",\"url\":\"http://web/\"}\n{\"method\":\"GET\"}",
            "t.json",
            "t.json: line 2: has no url",
        ),
        (
            "{\"method\":\"GET\",\"url\":\"http://web/\",\"body\":\"*\"}",
            "t.json",
            "t.json: line 1: unreadable: Invalid symbol",
        ),
        ("{\"method\":\"GET\",\"url\":\"ftp://web/\"}", "t.json", "t.json: line 1: is no HTTP exchange"),
    ] {
        let found = entries(text, name);
        let Some(Entry::Skipped(skip)) = found.last() else { panic!("{text}: {found:?}") };
        assert!(skip.to_string().starts_with(expected), "{skip}");
    }
}
