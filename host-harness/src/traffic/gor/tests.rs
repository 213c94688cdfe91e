//! GoReplay's files, as it writes them and cut off.

use proptest::prelude::*;

use super::*;
use crate::traffic::{Exchange, Note, Options, Tally, read};

const GET: &str = "GET /a HTTP/1.1\r\nHost: Web:80\r\nAccept: */*\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn file(messages: &[(&str, &str)]) -> String {
    messages.iter().map(|(meta, message)| format!("{meta}\n{message}\n🐵🙈🙉\n")).collect()
}

fn entries(text: &[u8]) -> Vec<Entry> {
    let reader = io::Cursor::new(text.to_vec());
    let options = Options { format: Some(crate::traffic::Format::GoReplay), ..Options::default() };
    read(reader, "t.gor", &options).unwrap().map(Result::unwrap).collect()
}

fn exchange(entry: &Entry) -> (&Exchange, &[Note]) {
    match entry {
        Entry::Exchange { exchange, notes } => (exchange, notes),
        Entry::Skipped(skip) => panic!("{skip}"),
    }
}

#[test]
fn responses_find_their_requests_and_requests_keep_their_order() {
    let text = file(&[
        ("1 aa 1795323600000000000 -1", GET),
        ("1 bb 1795323600000100000", &GET.replace("/a", "http://proxy.test/b")),
        ("2 bb 1795323600002100000 2500000", &OK.replace("hi", "no")),
        ("3 aa 1795323600009000000 1", OK),
        ("2 aa 1795323600005200000 5300000", OK),
        ("2 zz 1795323600005200000 5300000", OK),
    ]);
    let found = entries(text.as_bytes());
    let mut tally = Tally::default();
    found.iter().cloned().for_each(|entry| _ = tally.take(entry));
    assert_eq!((tally.exchanges, tally.skipped_count()), (2, 2), "{tally}");
    let exchanges: Vec<_> =
        found.iter().filter(|entry| matches!(entry, Entry::Exchange { .. })).map(exchange).collect();
    let (a, notes) = exchanges[0];
    assert_eq!((a.request.path.as_str(), a.destination.as_str(), a.id.as_str()), ("/a", "web", "1"));
    assert_eq!(
        (a.request.headers.len(), a.request.authority.as_str()),
        (1, "Web:80"),
        "host became the authority"
    );
    assert_eq!((a.timing_us.response_start, a.timing_us.response_end), (5_200, 5_300));
    assert_eq!(a.response.body.as_ref().unwrap()[0].data, b"hi");
    assert!(notes.is_empty());
    assert_eq!(
        (exchanges[1].0.request.authority.as_str(), exchanges[1].0.request.path.as_str()),
        ("proxy.test", "/b")
    );
}

#[test]
fn a_request_without_a_response_gets_one_that_is_noted() {
    let found = entries(file(&[("1 aa 1795323600000000000", GET)]).as_bytes());
    let (found, notes) = exchange(&found[0]);
    assert_eq!((found.response.status, found.timing_us.response_end), (200, 1_000));
    assert_eq!(notes, [Note::ResponseAssumed]);
}

/// Memory is bounded: a response that comes too late finds nobody.
#[test]
fn no_more_than_a_window_of_requests_waits() {
    let mut text = String::new();
    for id in 0..MAX_WAITING + 10 {
        text += &file(&[(&format!("1 id{id} 1795323600000000000"), GET)]);
    }
    text += &file(&[("2 id0 1795323600000000001", OK), ("2 id20 1795323600000000001", OK)]);
    let mut tally = Tally::default();
    entries(text.as_bytes()).into_iter().for_each(|entry| _ = tally.take(entry));
    assert_eq!(tally.exchanges, MAX_WAITING as u64 + 10);
    assert_eq!(tally.notes[&Note::ResponseAssumed], MAX_WAITING as u64 + 9);
    assert_eq!(tally.skipped["incomplete"].count, 1, "{tally}");
}

#[test]
fn broken_messages_are_skipped_and_named() {
    for (text, expected) in [
        (
            file(&[("1 aa x", GET)]),
            "t.gor: entry 1 at byte 0: unreadable: no line with type, id and nanoseconds",
        ),
        (file(&[("4 aa 1", GET)]), "t.gor: entry 1 at byte 0: unreadable: no line with type, id"),
        (
            file(&[("1 aa 1", "GET /")]),
            "t.gor: entry 1 at byte 0: unreadable: the request's head is not whole",
        ),
        (file(&[("1 aa 1", "GET / HTTP/1.1\r\n\r\n")]), "t.gor: entry 1 at byte 0: has no authority"),
        (
            file(&[("1 aa 1", GET), ("2 aa 2", "HTTP")]),
            "t.gor: entry 1 at byte 0: unreadable: the response's head",
        ),
        ("junk".to_owned(), "t.gor: entry 1 at byte 0: unreadable"),
    ] {
        let found = entries(text.as_bytes());
        let Entry::Skipped(skip) = &found[0] else { panic!("{text}: {found:?}") };
        assert!(skip.to_string().starts_with(expected), "{skip}");
    }
}

#[test]
fn a_message_beyond_the_limit_is_passed_over() {
    let long = file(&[
        ("1 aa 1", &format!("{}\n", "x".repeat(999)).repeat(MAX_MESSAGE_BYTES / 1_000 + 9)),
        ("1 bb 1", GET),
    ]);
    let found = entries(long.as_bytes());
    assert!(
        matches!(&found[0], Entry::Skipped(Skip { reason: SkipReason::TooLong(_), .. })),
        "{:?}",
        found[0]
    );
    assert_eq!((exchange(&found[1]).0.request.path.as_str(), found.len()), ("/a", 2));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(parts in proptest::collection::vec((0_usize..5, any::<Vec<u8>>()), 0..6)) {
        let text: Vec<u8> = parts
            .into_iter()
            .flat_map(|(kind, bytes)| {
                let meta = ["1 a 5\n", "2 a 6 1\n", "1 a 5\nGET / HTTP/1.1\r\nhost: a\r\n", "2 a 7\nHTTP/1.1 200 OK\r\n", ""][kind];
                [meta.as_bytes(), &bytes, SEPARATOR].concat()
            })
            .collect();
        entries(&text);
    }
}
