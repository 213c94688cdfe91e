//! `meshspan mesh`: real processes with their sidecars, from the first request to the last process.

mod shapes;
mod tls;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use hyper::Version;
use meshspan_tests::client::Request;
use meshspan_tests::collect::Collect;
use meshspan_tests::process::Process;
use meshspan_tests::sink::Sink;
use meshspan_tests::spans::{CLIENT, SERVER, Span, chain};
use meshspan_tests::upstream::Upstream;
use meshspan_tests::{tools, wait};
use tempfile::TempDir;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Does not end when it is asked to.
const STUBBORN: &str = r#"["sh", "-c", "trap '' TERM; echo ready $$; while :; do sleep 0.05; done"]"#;

/// Built once for all tests of the process.
static MESHSPAN: LazyLock<PathBuf> = LazyLock::new(tools::meshspan);

struct Mesh(Process);

impl Mesh {
    /// Starts the mesh of these services; the first of them is the entry.
    fn start(entry: &str, services: &str, arguments: &[&str]) -> Mesh {
        Mesh::start_with(entry, "null", services, arguments)
    }

    /// Starts it with `tls`, too.
    fn start_with(entry: &str, tls: &str, services: &str, arguments: &[&str]) -> Mesh {
        let (mut command, directory) = Mesh::command(entry, tls, services, arguments);
        Mesh(Process::start_in(&mut command, directory))
    }

    /// What starts it, and the directory of its file.
    fn command(entry: &str, tls: &str, services: &str, arguments: &[&str]) -> (Command, TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("mesh.json");
        let plugin = r#"{"export": {"max_delay_ms": 100}}"#;
        let json = format!(
            r#"{{"version": 1, "entry": "{entry}", "tls": {tls}, "plugin": {plugin}, "services": {services}}}"#
        );
        std::fs::write(&file, json).unwrap();
        let mut command = Command::new(&*MESHSPAN);
        command.arg("mesh").arg(file).args(arguments);
        (command, directory)
    }

    /// The processes' ids, as they say themselves, once there are so many.
    fn ready(&mut self, count: usize) -> Vec<u32> {
        wait::until("the applications to be ready", || {
            self.0.assert_alive("meshspan mesh");
            let lines = self.0.stderr();
            let ids = lines.lines().filter_map(|line| line.split_once("| ready ")?.1.parse().ok());
            Some(ids.collect::<Vec<u32>>()).filter(|ids| ids.len() == count)
        })
    }

    /// The port of the sidecar that the mesh prints as its entry, once it does.
    fn entry(&mut self) -> u16 {
        wait::until("the addresses", || {
            self.0.assert_alive("meshspan mesh");
            let printed = self.0.stdout();
            let line = printed.lines().find_map(|line| line.strip_prefix("Entry: http://127.0.0.1:"))?;
            line.split_once(',')?.0.parse().ok()
        })
    }

    /// The port of a service's inbound sidecar, from the table that the mesh prints.
    fn inbound(&mut self, service: &str) -> u16 {
        self.entry();
        let printed = self.0.stdout();
        let line = printed.lines().find(|line| line.starts_with(service)).expect("its line");
        let inbound = line.split_whitespace().nth(2).expect("its inbound sidecar");
        inbound.rsplit_once(':').expect("its port").1.parse().unwrap()
    }

    fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn end(mut self) -> (Option<i32>, String, String) {
        let status = wait::until("the mesh to end", || self.0.ended());
        (status.code(), self.0.stdout(), self.0.stderr())
    }
}

fn assert_gone(ids: &[u32]) {
    for id in ids {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "process {id} is left");
    }
}

/// The application of `tests/mesh`, as a service's `command`.
fn app() -> String {
    let path = tools::repository().join("tests/mesh/app.py");
    format!(r#"["python3", "{}"]"#, path.display())
}

fn span(span: &opentelemetry_proto::tonic::trace::v1::Span) -> Span {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Span {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: span.kind.try_into().unwrap(),
    }
}

#[test]
fn one_request_through_two_applications_is_one_trace() {
    let sink = Sink::start();
    let services = format!(
        r#"{{"web": {{"command": {app}, "calls": {{"emoji": {{"variable": "NEXT"}}}}}},
             "emoji": {{"command": {app}, "protocol": "h1"}}}}"#,
        app = app()
    );
    let collector = format!("http://127.0.0.1:{}", sink.port());
    let mut mesh = Mesh::start("web", &services, &["--otlp-endpoint", &collector]);
    let ids = mesh.ready(2);
    let request = Request::get("/list").header("traceparent", format!("00-{TRACE_ID}-{PARENT}-01"));
    let response = request.send_http1(mesh.entry());
    assert_eq!((response.status, response.body), (200, b"next: end\n".to_vec()));
    let spans = wait::until("six spans", || Some(sink.spans()).filter(|spans| spans.len() >= 6));
    let spans: Vec<Span> = spans.iter().map(span).collect();
    // In front of web, beside it, in front of emoji.
    let kinds: Vec<u8> = chain(&spans, TRACE_ID, PARENT).iter().map(|span| span.kind).collect();
    assert_eq!(kinds, [SERVER, CLIENT, SERVER, CLIENT, SERVER, CLIENT]);
    mesh.interrupt();
    let (code, stdout, stderr) = mesh.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert_gone(&ids);
    for sidecar in
        ["web, inbound: 1 request on", "web, outbound to emoji: 1 request on", "emoji, inbound: 1 req"]
    {
        assert!(stdout.contains(sidecar), "{stdout}");
    }
    assert!(stderr.contains("web   | ") && stderr.contains("\"GET /list HTTP/1.1\" 200"), "{stderr}");
}

#[test]
fn the_standard_variables_say_how_all_sidecars_export() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let collect = Collect::start(&["--in-memory", "--token-file", token.to_str().unwrap()]);
    let services = format!(r#"{{"web": {{"command": {}}}}}"#, app());
    let (mut command, directory) = Mesh::command("web", "null", &services, &[]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", collect.ports().http))
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20secret")
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    let mut mesh = Mesh(Process::start_in(&mut command, directory));
    mesh.ready(1);
    let request = Request::get("/list").header("traceparent", format!("00-{TRACE_ID}-{PARENT}-01"));
    assert_eq!(request.send_http1(mesh.entry()).status, 200);
    assert_eq!(collect.wait_for(2).len(), 2);
    mesh.interrupt();
    assert_eq!(mesh.end().0, Some(0));
}

#[test]
fn an_application_that_runs_already_is_spoken_to_as_it_wants() {
    for (protocol, expected) in [("same", Version::HTTP_11), ("h2", Version::HTTP_2)] {
        let (upstream, sink) = (Upstream::start(), Sink::start());
        let port = upstream.port();
        let services = format!(
            r#"{{"web": {{"address": "http://127.0.0.1:{port}", "protocol": "{protocol}",
                 "plugin": {{"start_traces": true}}}}}}"#
        );
        let collector = format!("http://127.0.0.1:{}", sink.port());
        let mut mesh = Mesh::start("web", &services, &["--otlp-endpoint", &collector]);
        assert_eq!(Request::get("/list").send_http1(mesh.entry()).status, 200);
        mesh.0.terminate();
        let (code, _, stderr) = mesh.end();
        assert_eq!(code, Some(0), "{stderr}");
        let got = upstream.take_one();
        assert_eq!((got.version, got.values("traceparent").len()), (expected, 1), "{protocol}");
        assert_eq!(sink.spans().len(), 2, "the last spans are exported before the end");
    }
}

#[test]
fn a_process_that_ends_early_ends_the_mesh() {
    let services = format!(
        r#"{{"web": {{"command": {}}}, "emoji": {{"command": ["sh", "-c", "echo ready $$; sleep 1; exit 7"]}}}}"#,
        app()
    );
    let mut mesh = Mesh::start("web", &services, &[]);
    let ids = mesh.ready(2);
    let (code, _, stderr) = mesh.end();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("error: emoji ended early: exit status: 7"), "{stderr}");
    assert_gone(&ids);
}

#[test]
fn a_mesh_may_go_on_without_one() {
    let services =
        format!(r#"{{"web": {{"command": {}}}, "emoji": {{"command": ["sh", "-c", "exit 7"]}}}}"#, app());
    let mut mesh = Mesh::start("web", &services, &["--keep-going"]);
    let ids = mesh.ready(1);
    wait::until("the end of emoji", || mesh.0.stderr().contains("emoji ended early").then_some(()));
    assert_eq!(Request::get("/").send_http1(mesh.entry()).status, 200);
    mesh.0.terminate();
    let (code, _, stderr) = mesh.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert_gone(&ids);
}

#[test]
fn what_does_not_end_is_killed() {
    let services = format!(r#"{{"web": {{"command": {STUBBORN}}}}}"#);
    for (grace, signals, reason) in [("1", 1, "after its time"), ("3600", 2, "at the second Ctrl-C")] {
        let mut mesh = Mesh::start("web", &services, &["--grace", grace]);
        let ids = mesh.ready(1);
        mesh.entry();
        for _ in 0..signals {
            mesh.interrupt();
            // Two at once would be one.
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        let (code, _, stderr) = mesh.end();
        assert_eq!(code, Some(0), "{reason}: {stderr}");
        assert!(stderr.contains("killed after SIGTERM did not end them: web"), "{reason}: {stderr}");
        assert_gone(&ids);
    }
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let services = format!(r#"{{"emoji": {{"command": {}}}, "web": {{"command": ["./nobody"]}}}}"#, app());
    let (code, stdout, stderr) = Mesh::start("web", &services, &[]).end();
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("error: web: cannot start ") && stderr.contains("./nobody"), "{stderr}");
}

#[test]
fn the_one_in_the_readme_runs_as_it_is() {
    let readme = std::fs::read_to_string(tools::repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("cat > mesh.json <<'END'\n").unwrap();
    let (json, _) = rest.split_once("\nEND\n").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mesh.json");
    std::fs::write(&file, json).unwrap();
    let mut command = Command::new(&*MESHSPAN);
    command.arg("mesh").arg(file);
    let mut mesh = Mesh(Process::start_in(&mut command, directory));
    let entry = mesh.entry();
    wait::until("web to answer", || (Request::get("/").send_http1(entry).status == 200).then_some(()));
    mesh.interrupt();
    let (code, _, stderr) = mesh.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("| calls http://127.0.0.1:"), "{stderr}");
}
