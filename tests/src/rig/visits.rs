//! Requests to the listener without the filter and to one with it, in turns: neither end can tell which is
//! which, but for the trace context.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Listener, Rig};
use crate::ledger::Sent;
use crate::load::Report;
use crate::situation::Times;
use crate::upstream::Recorded;
use crate::wait;

/// The span that requests come from.
const PARENT: &str = "00f067aa0ba902b7";

/// What is to become of a request's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spans {
    /// There are none, and its headers pass as they are.
    None,
    /// They arrive.
    Arrive,
    /// They are recorded, but no collector gets them.
    Lost,
}

/// A kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// The listener with the filter.
    pub listener: &'a Listener,
    /// The paths, in turns.
    pub paths: &'a [&'a str],
    /// Whether it is part of a sampled trace.
    pub has_context: bool,
    /// What the filter makes of it.
    pub spans: Spans,
}

/// What a client got, less what the clock says.
struct Answer {
    text: String,
    times: Times,
}

impl Rig {
    /// Visits the first traced listener with `count` sampled requests, which take no longer than others.
    pub fn compare(&self, count: usize) {
        let paths = &["/status/200", "/status/201"];
        let spans = Spans::Arrive;
        let visit = Visit { listener: &self.listeners[0], paths, has_context: true, spans };
        let [plain, traced] = self.visit(visit, count);
        assert!(traced < 5 * plain + Duration::from_millis(20), "{traced:?} instead of {plain:?}");
    }

    /// Sends `count` requests to the plain and as many to the traced listener, in turns, and asserts that
    /// clients and application cannot tell them apart, but for the trace context. How long each took, the median.
    pub fn visit(&self, visit: Visit<'_>, count: usize) -> [Duration; 2] {
        let (mut plain, mut traced) = (Vec::new(), Vec::new());
        for number in 0..count {
            let request = self.request(visit, number);
            for (port, answers) in [(self.plain, &mut plain), (visit.listener.port, &mut traced)] {
                answers.push(exchange(port, &request));
            }
            assert_eq!(traced[number].text, plain[number].text, "request {number}: the answers differ");
        }
        let recorded = self.upstream.take();
        assert_eq!(recorded.len(), 2 * count, "requests at the application");
        for (answer, pair) in traced.iter().zip(recorded.chunks(2)) {
            self.note_visit(visit, answer, [&pair[0], &pair[1]]);
        }
        [median(&plain), median(&traced)]
    }

    fn request(&self, visit: Visit<'_>, number: usize) -> String {
        let path = visit.paths[number % visit.paths.len()];
        let trace = self.traces.get() + 1;
        self.traces.set(trace);
        let context = format!("traceparent: 00-5174{trace:028x}-{PARENT}-01\r\n");
        let context = if visit.has_context { context.as_str() } else { "" };
        format!(
            "GET {path} HTTP/1.1\r\nhost: meshspan.test\r\nconnection: close\r\nx-number: {trace}\r\n{context}\r\n"
        )
    }

    fn note_visit(&self, visit: Visit<'_>, answer: &Answer, [plain, traced]: [&Recorded; 2]) {
        if visit.spans == Spans::None {
            assert_eq!(traced, plain, "the application sees a difference");
            return;
        }
        let [before, onward] = contexts(plain, traced);
        if visit.spans == Spans::Arrive {
            let service: serde_json::Value =
                serde_json::from_str(&visit.listener.configuration).expect("a configuration in JSON");
            let service = service["service"]["name"].as_str().map(str::to_owned);
            self.ledger.borrow_mut().note(Sent { service, ..sent(answer, before, onward) });
        }
    }

    /// Asserts that the application could not tell a load's requests to the traced listener from those to the plain
    /// one of the same path and protocol, and notes what was sent. The clients have compared the answers.
    pub fn compare_load(&self, report: &Report) {
        assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
        let sent: BTreeMap<_, _> = report.sent.iter().map(|sent| (sent.trace_id.as_str(), sent)).collect();
        let is_traced = |request: &Recorded| {
            let context = request.value("traceparent");
            sent.get(&context[3..35]).is_some_and(|sent| context[36..52] != sent.parent)
        };
        let (traced, plain): (Vec<_>, Vec<_>) = self.upstream.take().into_iter().partition(is_traced);
        assert_eq!(traced.len(), sent.len(), "requests at the application that have come through the filter");
        for request in &traced {
            let is_same =
                |other: &&Recorded| (other.version, &other.path) == (request.version, &request.path);
            let same = plain.iter().find(is_same).expect("a request without the filter");
            let [_, Some((trace_id, onward))] = contexts(same, request) else { panic!("{request:?}") };
            self.ledger.borrow_mut().note(Sent { onward, ..sent[trace_id.as_str()].clone() });
        }
    }

    /// Asserts that the spans of all that was sent have come once, are right, and that no others have.
    pub fn assert_spans(&self) {
        self.ledger.borrow().assert_whole(&self.collector.accepted_once());
    }

    /// Asserts that what spans the collector was ever sent are right, whatever it made of them.
    pub fn assert_spans_sent(&self) {
        self.ledger.borrow().assert_part(&self.collector.received());
    }
}

/// Trace and span of the context before the filter and behind it, once all else is found to be the same.
fn contexts(plain: &Recorded, traced: &Recorded) -> [Option<(String, String)>; 2] {
    let is_begun = plain.values("traceparent").is_empty();
    let [before, behind] = [plain, traced].map(|request| without_context(request, is_begun));
    assert_eq!(behind, before, "the application sees a difference");
    [plain, traced].map(|request| {
        (!request.values("traceparent").is_empty()).then(|| {
            let context = request.value("traceparent");
            // Sampled; and random, where the filter has drawn it.
            let flags = if is_begun { "-03" } else { "-01" };
            assert!(context.len() == 55 && context.ends_with(flags), "{context}");
            (context[3..35].to_owned(), context[36..52].to_owned())
        })
    })
}

fn sent(answer: &Answer, before: Option<(String, String)>, onward: Option<(String, String)>) -> Sent {
    let (trace_id, onward) = onward.expect("a context goes onward");
    let status = answer.text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let parent = before.map_or_else(String::new, |(before, parent)| {
        assert_eq!(before, trace_id, "another trace goes onward");
        parent
    });
    let answered = status.expect("a status");
    Sent { method: "GET", trace_id, parent, onward, service: None, answered, times: answer.times }
}

/// A request without the header that the filter has to change, or those that it adds where it begins a trace.
fn without_context(request: &Recorded, is_begun: bool) -> Recorded {
    let mut request = request.clone();
    request.headers.retain(|(name, _)| name != "traceparent" && !(is_begun && name == "tracestate"));
    request
}

fn exchange(port: u16, request: &str) -> Answer {
    let begin = wait::unix_nanos();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the proxy listens");
    socket.set_read_timeout(Some(wait::PATIENCE)).expect("a socket option");
    socket.write_all(request.as_bytes()).expect("the proxy reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the proxy answers");
    let clock =
        |line: &&str| !line.starts_with("date: ") && !line.starts_with("x-envoy-upstream-service-time");
    let text = answer.split_inclusive('\n').filter(clock).collect();
    Answer { text, times: Times { begin, end: wait::unix_nanos() } }
}

fn median(answers: &[Answer]) -> Duration {
    let mut times: Vec<_> = answers.iter().map(|answer| answer.times.end - answer.times.begin).collect();
    times.sort_unstable();
    Duration::from_nanos(times[times.len() / 2])
}
