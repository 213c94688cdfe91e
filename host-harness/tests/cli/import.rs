//! `meshspan import` and `meshspan collect`, as far as no network is needed.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use meshspan::store::{Store, StoreOptions};

use super::{meshspan, run, stdout};

const LINE: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ID"}]}]}]}"#;

fn lines(ids: std::ops::Range<u64>) -> String {
    ids.map(|id| LINE.replace("ID", &format!("{id:016x}")) + "\n").collect()
}

fn received(store: &Path) -> u64 {
    Store::open(store, StoreOptions::default()).unwrap().stats().unwrap().received
}

#[test]
fn spans_of_files_of_any_kind_are_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let jaeger = r#"{"data":[{"traceID":"1","spans":[{"traceID":"1","spanID":"2","operationName":"x","startTime":1,"duration":2,"processID":"p1"}],"processes":{"p1":{"serviceName":"web"}}}]}"#;
    std::fs::write(path("lines"), "\n".to_owned() + &lines(1..2_502)).unwrap();
    std::fs::write(path("pretty"), LINE.replace("ID", "00000000000000ff").replace(',', ",\n")).unwrap();
    std::fs::write(path("jaeger"), jaeger).unwrap();
    let store = path("spans.db");
    let mut import =
        meshspan(&["import", "--store", &store, &path("lines"), &path("pretty"), &path("jaeger"), "-"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(lines(3_000..3_003).as_bytes()).unwrap();
    let output = import.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2506 spans imported\n");
    assert_eq!(received(Path::new(&store)), 2_506);
}

#[test]
fn what_cannot_be_imported_is_named_and_the_rest_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("lines"), lines(0..3) + "{\"resourceSpans\":7}\n" + &lines(9..10)).unwrap();
    let store = path("spans.db");
    let output = run(&["import", "--store", &store, &path("lines")]);
    assert_eq!(output.status.code(), Some(3));
    let expected = "2 spans imported, 1 left out for their ids; the first: span \"\" has span id \"0000000000000000\", expected 8 bytes, not all zero\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("lines: line 4 is not OTLP JSON"), "{stderr}");
    assert_eq!(received(Path::new(&store)), 2);

    for (content, expected) in [("hello", "line 1 is not OTLP JSON"), ("{}", "neither resourceSpans")] {
        std::fs::write(path("other"), content).unwrap();
        let output = run(&["import", "--store", &store, &path("other")]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{content}");
        assert!(stderr.contains(expected), "{stderr}");
    }
    let output = run(&["import", "--store", &store, "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let output = run(&["import", "--in-memory", &path("lines")]);
    assert_eq!(output.status.code(), Some(2), "what goes with the process is not imported");
}

#[test]
fn an_id_that_is_not_hexadecimal_costs_its_span_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let pretty = LINE.replace("ID", "xyz").replace(',', ",\n");
    for (content, imported, found, reason) in [
        (
            lines(1..3) + &LINE.replace("ID", "abc") + "\n" + &lines(0..1) + &lines(3..5),
            "4 spans",
            "2",
            "a line",
        ),
        (LINE.replace("ID", "abc") + "\n" + &lines(1..5), "4 spans", "1", "the first line"),
        (pretty, "0 spans", "1", "a file of one value"),
    ] {
        std::fs::write(path("spans"), &content).unwrap();
        let id = if content.contains("abc") { "abc" } else { "xyz" };
        let expected = format!(
            "{imported} imported, {found} left out for their ids; the first: an id is {id:?}, expected 16 hexadecimal digits\n"
        );
        let store = path(&reason.replace(' ', "-"));
        assert_eq!(stdout(&["import", "--store", &store, &path("spans")]), expected, "{reason}");
    }
}

#[test]
fn a_file_that_gzip_packed_is_read_as_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut packed = GzEncoder::new(std::fs::File::create(path("lines.gz")).unwrap(), Compression::fast());
    packed.write_all(lines(1..2).as_bytes()).unwrap();
    packed.finish().unwrap();
    let imported = stdout(&["import", "--store", &path("spans.db"), &path("lines.gz")]);
    assert_eq!(imported, "1 span imported\n");
    let listed = stdout(&["view", &path("lines.gz")]);
    assert!(listed.contains(" start (UTC) ") && listed.ends_with("\n1 of 1 trace\n"), "{listed}");
}

#[test]
fn a_home_that_cannot_be_written_is_told_as_one_that_is_not_set() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let help = "help: name a file, --store FILE";
    for (arguments, home, expected) in [
        (&["collect"][..], None, ", or keep spans in memory, --in-memory\n"),
        (&["collect"], Some(file.path()), ", or keep spans in memory, --in-memory\n"),
        (&["import", "-"], None, "\n"),
        (&["import", "-"], Some(file.path()), "\n"),
    ] {
        let mut command = meshspan(arguments);
        // A folder below a file cannot be made by anybody.
        let output = command.envs(home.map(|home| ("HOME", home))).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.ends_with(&format!("{help}{expected}")), "{arguments:?}, {home:?}: {stderr}");
    }
}

#[test]
fn a_collector_that_would_be_open_to_all_does_not_start() {
    for (arguments, expected) in [
        (&["collect", "--in-memory", "--listen", "0.0.0.0"][..], "--token-file"),
        (&["collect", "--in-memory", "--page", "0.0.0.0:0"], "no log-in"),
        (&["collect", "--in-memory", "--token-file", "/nowhere"], "/nowhere"),
        (&["collect", "--in-memory", "--max-bytes", "1"], "expected at least 1 MiB"),
        (&["collect", "--in-memory", "--max-bytes", "2MiB"], "expected at least 40 MiB"),
        (&["collect", "--in-memory", "--page", "16686"], "such as 127.0.0.1:16686 or localhost:16686"),
        (&["collect"], "neither HOME nor XDG_DATA_HOME"),
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}
