//! `meshspan collect` when its file cannot be written or read: senders are told to come again, whoever watches is
//! told that it is not ready, and nothing that was acknowledged is lost.

mod full_disk;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use meshspan_tests::client::Request;
use meshspan_tests::collect::{Collect, Ports};
use meshspan_tests::otlp::{Sender, framed, request, span};
use meshspan_tests::sink::Sink;
use meshspan_tests::{tools, wait};
use tokio::runtime::Runtime;

/// Spans of a request.
const SPANS: u64 = 500;

/// How gRPC says "come again".
const UNAVAILABLE: &str = "14";

struct Senders(Runtime);

impl Senders {
    fn new() -> Self {
        Self(Runtime::new().unwrap())
    }

    /// Sends a request whose spans are of that trace; the answer's status.
    fn send(&self, collect: &Collect, trace: u128) -> String {
        let spans = (1..=SPANS).map(|number| span(trace, number)).collect();
        self.0.block_on(async {
            let mut sender = Sender::connect(collect.ports().grpc).await.expect("it listens");
            sender.send(framed(&request(spans))).await.expect("it answers")
        })
    }
}

fn ready(collect: &Collect) -> (u16, String) {
    let answer = Request::get("/readyz").send_http1(collect.ports().metrics);
    (answer.status, String::from_utf8(answer.body).unwrap())
}

fn is_shown(collect: &Collect, trace: u128) -> bool {
    let path = format!("/api/traces/{trace:032x}");
    Request::new("GET", "localhost", &path).send_http1(collect.ports().page).status == 200
}

/// The largest file that a process may write from now on; no signal, as SQLite sees an error then.
fn limit_files(collect: &Collect, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let process = collect.process_id().to_string();
    let done = Command::new("prlimit").args(["--pid", &process, &limit]).status();
    assert!(done.expect("prlimit is there, from util-linux").success());
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_takes_it_when_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("spans.db");
    for more in [&[][..], &["--forward-only"]] {
        let (sink, senders) = (Sink::start(), Senders::new());
        let forward = format!("http://127.0.0.1:{},protocol=grpc", sink.port());
        let always = ["--store", store.to_str().unwrap(), "--forward", &forward];
        let collect = Collect::run(Ports::default(), &[&always[..], more].concat());
        assert_eq!(senders.send(&collect, 1), "0");
        assert_eq!(ready(&collect).0, 200);
        limit_files(&collect, "4096");
        assert_eq!(senders.send(&collect, 2), UNAVAILABLE);
        let (status, problem) = ready(&collect);
        assert_eq!(status, 503, "{problem}");
        assert!(problem.contains("spans.db: ") && problem.contains("check the disk's room"), "{problem}");
        let failed = collect.metrics()["meshspan_receiver_spans_total{outcome=\"failed\"}"];
        assert_eq!(failed, SPANS as f64);
        limit_files(&collect, "unlimited");
        assert_eq!(ready(&collect), (200, "ok\n".to_owned()), "nobody has to send for it to be seen");
        assert_eq!(senders.send(&collect, 2), "0");
        let mut arrived = Vec::new();
        wait::until("both requests at the sink", || {
            arrived.extend(sink.take());
            (arrived.len() as u64 == 2 * SPANS).then_some(())
        });
        assert!(!more.is_empty() || (is_shown(&collect, 1) && is_shown(&collect, 2)));
        let (status, printed) = collect.end();
        assert!(status.success(), "{status}: {printed}");
        assert!(printed.contains("1 request refused, 1 store\n"), "{printed}");
    }
}

#[test]
fn a_file_that_is_removed_is_not_written_on() {
    let directory = tempfile::tempdir().unwrap();
    let (place, away) = (directory.path().join("store"), directory.path().join("away"));
    std::fs::create_dir(&place).unwrap();
    let store = place.join("spans.db");
    let senders = Senders::new();
    let collect = Collect::run(Ports::default(), &["--store", store.to_str().unwrap()]);
    assert_eq!(senders.send(&collect, 1), "0");
    std::fs::rename(&place, &away).unwrap();
    assert_eq!(senders.send(&collect, 2), UNAVAILABLE);
    let (status, problem) = ready(&collect);
    assert_eq!(status, 503);
    assert!(problem.contains("the file was moved, removed or replaced; put it back, or start again"));
    std::fs::rename(&away, &place).unwrap();
    assert_eq!(ready(&collect).0, 200, "it is back");
    assert_eq!(senders.send(&collect, 2), "0");
    assert!(is_shown(&collect, 1) && is_shown(&collect, 2));
}

/// Writes nonsense over all pages but the first `kept`.
fn spoil(store: &Path, kept: u64) {
    let file = File::options().write(true).open(store).unwrap();
    let (page, bytes) = (8 << 10, file.metadata().unwrap().len());
    for at in (kept * page..bytes).step_by(page as usize) {
        file.write_all_at(&[0xa5; 8 << 10], at).unwrap();
    }
}

#[test]
fn a_spoilt_file_is_an_error_and_no_panic() {
    for kept in [0, 1, 2, 5] {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("spans.db");
        let senders = Senders::new();
        let collect = Collect::run(Ports::default(), &["--store", store.to_str().unwrap()]);
        assert_eq!(senders.send(&collect, 1), "0");
        assert!(is_shown(&collect, 1));
        assert!(collect.end().0.success());
        spoil(&store, kept);
        let mut command = Command::new(tools::meshspan());
        command.args(["view", "--store", store.to_str().unwrap()]);
        let looked = command.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(looked.stderr).unwrap();
        assert!(!said.contains("panicked"), "{kept} pages: {said}");
        let code = looked.status.code();
        assert!(matches!(code, Some(0..=3)), "{kept} pages: {code:?}: {said}");
        if code != Some(0) {
            assert!(said.contains("spans.db"), "{kept} pages: {said}");
        }
    }
}

#[test]
fn a_file_that_is_spoilt_meanwhile_refuses_and_stays_up() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("spans.db");
    let senders = Senders::new();
    let mut collect = Collect::run(Ports::default(), &["--store", store.to_str().unwrap()]);
    assert_eq!(senders.send(&collect, 1), "0");
    assert!(is_shown(&collect, 1));
    // The log's content counts more than the file's, and the pages that are in memory, too.
    spoil(&store, 1);
    let mut answers: Vec<String> = (2..40).map(|trace| senders.send(&collect, trace)).collect();
    answers.sort();
    answers.dedup();
    assert!(answers.iter().all(|answer| answer == "0" || answer == UNAVAILABLE), "{answers:?}");
    assert_eq!(Request::get("/healthz").send_http1(collect.ports().metrics).status, 200);
    let (status, problem) = ready(&collect);
    assert!(status == 200 || problem.contains("spans.db: "), "{status} {problem}");
    collect.process().assert_alive("meshspan collect");
    collect.process().terminate();
    wait::until("the end", || collect.process().ended());
    assert!(!collect.process().stdout().contains("panicked"));
}
