//! The corpus through many guests, in a real Envoy and in the harness: what each guest saw and what came of it
//! are the same but for the differences that are listed.

mod situations;

use std::collections::BTreeMap;

use meshspan::traffic::Exchange;
use meshspan_tests::corpus;
use meshspan_tests::guests::{
    Answer, Live, LiveUses, Ours, PROGRAMS, Stage, Uses, differences, lines, on_the_wires, without_marks,
};
use meshspan_tests::situation::{Played, Protocol, Seen};
use meshspan_tests::tools::repository;

#[test]
fn the_recording_is_what_the_table_makes() {
    let table = corpus::table();
    let lines: String =
        table.iter().map(|exchange| serde_json::to_string(exchange).unwrap() + "\n").collect();
    let path = repository().join("tests/recordings/corpus.jsonl");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == lines, "{} is out of date: run with UPDATE_GOLDEN=1", path.display());
    assert!(table.len() >= 300, "{} exchanges", table.len());
}

#[test]
fn every_guest_sees_and_does_the_same_in_envoy_and_in_the_harness() {
    let corpus = corpus::recorded();
    let mut stage = Stage::start();
    let mut answers = BTreeMap::new();
    for program in PROGRAMS {
        for (place, exchange) in corpus.iter().enumerate() {
            let played = Played { exchange, number: place + 1, protocol: protocol(exchange, place) };
            let seen = stage.play(program, played);
            assert!(!seen.is_stuck(), "{program}, exchange {}:\n{seen}", exchange.id);
            answers.insert((program, place + 1), Answer::of(&seen));
        }
    }
    let transcripts = stage.transcripts();
    let (mut ours, mut uses, mut wrong, mut count) = (Ours::start(), Uses::default(), Vec::new(), 0);
    for program in PROGRAMS {
        let passes = transcripts.passes(program);
        assert_eq!(passes.len(), corpus.len(), "exchanges that came to {program} in Envoy");
        for (number, mut real) in passes {
            let exchange = &corpus[number - 1];
            real.client = answers[&(program, number)].clone();
            let our = ours.play(program, protocol(exchange, number - 1), &real);
            let found = differences(&lines(&real), &lines(&our));
            let found: Vec<_> = found.into_iter().filter(|one| !uses.allow(program, one)).collect();
            if !found.is_empty() {
                wrong.push(format!("{program}, exchange {}: {found:#?}", exchange.id));
            }
            count += 1;
        }
    }
    println!("{} exchanges × {} filters: {count} passes compared", corpus.len(), PROGRAMS.len());
    println!("{} lines differ as allowed, Envoy's and the harness's:", uses.total());
    uses.lines().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} passes differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(uses.stale().is_empty(), "these do not differ any more, strike them: {:#?}", uses.stale());
}

/// The programs that call upstreams; what they are answered is compared, too. What the others tell depends on the
/// pieces in which a connection is read.
const CALLS: [&str; 2] = ["call", "grpc"];

/// The program that marks each piece of a body, so that it shows in which pieces a connection was read.
const IN_PIECES: &str = "bodies";

/// Whether a line tells what came of a hostcall, not that a callback was made.
fn is_result(line: &str) -> bool {
    !line.starts_with(['>', '<'])
}

#[test]
fn the_live_proxy_does_with_the_corpus_what_envoy_does() {
    let corpus = corpus::recorded();
    let (mut stage, mut live) = (Stage::start(), Live::start());
    let (mut clients, mut upstreams) = (BTreeMap::new(), BTreeMap::new());
    for program in PROGRAMS {
        for (place, exchange) in corpus.iter().enumerate() {
            let played = Played { exchange, number: place + 1, protocol: protocol(exchange, place) };
            let seen = [stage.play(program, played), live.play(program, played)];
            assert!(!seen[1].is_stuck(), "{program}, exchange {}:\n{}", exchange.id, seen[1]);
            clients.insert((program, place + 1), seen);
        }
        upstreams.insert(program, [stage.take_upstream(), live.take_upstream()]);
    }
    let transcripts = stage.transcripts();
    let (mut uses, mut wrong, mut count) = (LiveUses::default(), Vec::new(), 0);
    let mut pieces = [Vec::new(), Vec::new()];
    for program in PROGRAMS {
        let told = [transcripts.of(program), live.transcripts(program)];
        for (place, exchange) in corpus.iter().enumerate() {
            let (number, nothing) = (place + 1, Vec::new());
            let lines = [0, 1].map(|host| {
                let guest = told[host].get(&number).filter(|_| CALLS.contains(&program));
                let guest: Vec<_> =
                    guest.into_iter().flatten().filter(|line| is_result(line)).cloned().collect();
                let upstream = upstreams[program][host].get(&number).unwrap_or(&nothing);
                let client = &clients[&(program, number)][host];
                if program != IN_PIECES {
                    return on_the_wires(&guest, upstream, client);
                }
                let whole: Vec<_> = upstream.iter().map(without_marks).collect();
                pieces[host].extend(upstream.iter().chain([client]).map(Seen::body));
                on_the_wires(&guest, &whole, &without_marks(client))
            });
            let found = differences(&lines[0], &lines[1]);
            let found: Vec<_> = found.into_iter().filter(|one| !uses.allow(program, one)).collect();
            if !found.is_empty() {
                wrong.push(format!("{program}, exchange {}: {found:#?}", exchange.id));
            }
            count += 1;
        }
    }
    println!("{} exchanges × {} filters: {count} passes compared", corpus.len(), PROGRAMS.len());
    uses.lines().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} passes differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(uses.stale().is_empty(), "these do not differ any more, strike them: {:#?}", uses.stale());
    assert_ne!(pieces[0], pieces[1], "{IN_PIECES} is read in the same pieces: compare the marks, too");
}

/// gRPC needs HTTP/2; of the others every second goes over either.
fn protocol(exchange: &Exchange, place: usize) -> Protocol {
    if exchange.is_grpc() || !place.is_multiple_of(2) { Protocol::Http2 } else { Protocol::Http1 }
}
