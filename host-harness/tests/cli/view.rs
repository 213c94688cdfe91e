//! `meshspan view`, and the page that it and the demo serve.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use meshspan::store::{Store, StoreOptions};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use serde_json::Value;

use super::{demo_spans, meshspan, run, stdout};

fn saved() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    stdout(&["demo", "--seed", "7", "--save", file.path().to_str().unwrap()]);
    file
}

#[test]
fn traces_are_listed_found_and_drawn() {
    let file = saved();
    let path = file.path().to_str().unwrap();
    let all: Value = serde_json::from_str(&stdout(&["view", path, "-o", "json", "--limit", "1000"])).unwrap();
    let traces = all["traces"].as_array().unwrap();
    assert_eq!(traces.len() as u64, all["total"].as_u64().unwrap());
    assert_eq!(traces.iter().map(|trace| trace["spans"].as_u64().unwrap()).sum::<u64>(), demo_spans());

    let failed = stdout(&["view", path, "--errors", "--service", "voting"]);
    let line = failed.lines().nth(1).unwrap();
    assert!(line.contains("errors"), "{line}");
    let id = line.split_once(' ').unwrap().0;
    let drawn = stdout(&["view", path, "--trace", &id[..12]]);
    assert!(drawn.contains(&format!("trace {id}")) && drawn.contains("proxies "), "{drawn}");
    let document: Value =
        serde_json::from_str(&stdout(&["view", path, "--trace", id, "-o", "json"])).unwrap();
    assert!(document["hops"].as_array().is_some_and(|hops| !hops.is_empty()));
}

#[test]
fn a_store_is_shown_as_a_file_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("spans.db");
    let view = |arguments: &[&str]| {
        let mut command = meshspan(&["view"]);
        command.args(arguments).env("MESHSPAN_STORE", &store).output().unwrap()
    };
    let missing = view(&[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no store at"));

    stdout(&["demo", "--store", store.to_str().unwrap(), "--no-serve"]);
    let all: Value = serde_json::from_slice(&view(&["-o", "json", "--limit", "1"]).stdout).unwrap();
    assert_eq!((&all["total"], &all["more"]), (&Value::from(150), &Value::from(false)));
    let id = all["traces"][0]["traceId"].as_str().unwrap();
    let drawn = String::from_utf8(view(&["--trace", &id[..12]]).stdout).unwrap();
    assert!(drawn.contains(&format!("trace {id}")), "{drawn}");
    stdout(&["demo", "--store", store.to_str().unwrap(), "--no-serve", "--seed", "7"]);
    let all = stdout(&["view", "--store", store.to_str().unwrap(), "--limit", "1"]);
    assert!(all.ends_with("1 of 300 traces\n"), "{all}");
}

/// As nobody, if we are root: root may write everything.
#[test]
fn who_may_only_read_a_store_sees_what_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let (program, folder) = (directory.path().join("meshspan"), directory.path().join("its store? 100%"));
    std::fs::copy(env!("CARGO_BIN_EXE_meshspan"), &program).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let store = folder.join("spans.db");
    stdout(&["demo", "--store", store.to_str().unwrap(), "--no-serve"]);
    let may = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    may(directory.path(), 0o755);
    let look = |arguments: &[&str]| {
        may(&folder, 0o555);
        may(&store, 0o444);
        let mut command = Command::new(&program);
        command.env_clear().current_dir(directory.path()).args(arguments).arg("--store").arg(&store);
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let output = command.output().unwrap();
        may(&folder, 0o755);
        may(&store, 0o644);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let at_rest = look(&["view", "--limit", "1"]);
    assert!(at_rest.ends_with("1 of 150 traces\n"), "{at_rest}");
    assert!(look(&["doctor"]).contains("150 traces with "));
    let kept = Store::open(&store, StoreOptions::default()).unwrap();
    let spans = kept.trace(kept.ids("", 1).unwrap()[0]).unwrap().unwrap();
    kept.keep(of_another_trace(spans)).unwrap();
    let in_use = look(&["view", "--limit", "1"]);
    assert!(in_use.ends_with("1 of 151 traces\n"), "{in_use}");
}

fn of_another_trace(mut spans: Vec<ResourceSpans>) -> Vec<ResourceSpans> {
    let scopes = spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    scopes.flat_map(|scope| &mut scope.spans).for_each(|span| span.trace_id = vec![7; 16]);
    spans
}

#[test]
fn what_cannot_be_shown_is_said() {
    let file = saved();
    let path = file.path().to_str().unwrap();
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "hello").unwrap();
    for (arguments, code, message) in [
        (&["view", "/nowhere"][..], 1, "cannot read /nowhere"),
        (&["view", wrong.path().to_str().unwrap()], 3, "line 1 is not OTLP JSON"),
        (&["view", path, "--trace", "zz"], 1, "no trace id begins with \"zz\""),
        (&["view", path, "--trace", ""], 1, "trace ids begin with"),
        (&["view", path, "--min", "3"], 3, "--min is \"3\", expected a length of time with its unit"),
        (&["view", path, "--min", "soon"], 3, "--min is \"soon\", expected a length of time"),
        (&["view", path, "--attribute", "x"], 3, "\"x\" is no attribute, expected key=value"),
        (&["view", path, "--serve", "--listen", "0.0.0.0:1"], 2, "expected a loopback address"),
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}

/// A server of the page, ended when dropped.
struct Page(Child);

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and returns the host and port that it says.
fn serve(arguments: &[&str]) -> (Page, String) {
    let mut command = meshspan(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let page = Page(child);
    let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
    (page, address.unwrap().0.to_owned())
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_page_shows_the_files_traces_and_the_demos() {
    let file = saved();
    let path = file.path().to_str().unwrap();
    for arguments in [
        &["view", path, "--serve", "--listen", "127.0.0.1:0"][..],
        &["demo", "--serve", "--listen", "127.0.0.1:0"],
    ] {
        let (mut page, address) = serve(arguments);
        assert!(get(&address, "/search").contains("<title>Meshspan</title>"), "{arguments:?}");
        assert!(get(&address, "/api/services").contains("\"voting\""), "{arguments:?}");
        assert!(get(&address, "/view/search?limit=1").contains("\"total\":150"), "{arguments:?}");
        let id = page.0.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(page.0.wait().unwrap().code(), Some(0), "{arguments:?}: SIGTERM ends it in order");
    }
}
