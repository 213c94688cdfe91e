//! `meshspan convert`: any traffic in, a recording without secrets out, what was left out on stderr.

use std::{
    io::Write as _,
    process::{Output, Stdio},
};

use meshspan::traffic::{Exchange, jsonl::JsonLines};

use crate::{meshspan, run};

const LINE: &str = r#"{"id":"1","parent":null,"source":"a","destination":"b","start":"2026-11-22T05:00:00Z","request":{"method":"GET","scheme":"http","authority":"b:80","path":"/?sig=s3cret","headers":[["authorization","Bearer s3cret"],["x-tenant","t1"]],"body_bytes":0},"response":{"status":200,"headers":[["set-cookie","s3cret"]],"body_bytes":0,"trailers":[]},"timing_us":{"request_end":0,"response_start":1,"response_end":2}}"#;

fn convert(arguments: &[&str], stdin: &str) -> Output {
    let mut command = meshspan(&[&["convert"], arguments].concat());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn exchanges(recording: &[u8]) -> Vec<Exchange> {
    JsonLines::new(recording).map(Result::unwrap).collect()
}

#[test]
fn standard_input_comes_out_without_its_secrets() {
    let output = convert(&["-", "--redact", "X-Tenant"], LINE);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("s3cret") && !text.contains("t1"), "{text}");
    assert_eq!(exchanges(text.as_bytes())[0].request.headers[0].1, "REDACTED");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "1 exchanges, 0 entries skipped\n4 values redacted\n"
    );
    let output = convert(&["-", "--keep-secrets", "-q"], LINE);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{LINE}\n"));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn files_are_written_as_one_and_skips_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a.jsonl"), format!("{LINE}\n{{}}\n")).unwrap();
    std::fs::write(path("b.jsonl"), LINE).unwrap();
    let output = run(&["convert", &path("a.jsonl"), &path("b.jsonl"), "-o", &path("out.jsonl")]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "{stderr}");
    assert!(stderr.starts_with("2 exchanges, 1 entries skipped\nskipped 1: unreadable (first: "), "{stderr}");
    assert!(stderr.contains("a.jsonl: line 2: unreadable: column 2: missing field `id`"), "{stderr}");
    assert_eq!(exchanges(&std::fs::read(path("out.jsonl")).unwrap()).len(), 2);
}

#[test]
fn what_cannot_be_read_or_used_is_an_error() {
    for (arguments, stdin, code, expected) in [
        (&["/no/such/file"][..], "", 1, "cannot read /no/such/file"),
        (&["-"], "hello", 3, "standard input: the format is not known, expected one of "),
        (&["-", "--strict"], "{\"timing_us\":0}", 3, "standard input: line 1: unreadable: column "),
        (&["-"], "{\"timing_us\":0}", 3, "no entry could be used"),
        (&["-", "--format", "jsom"], "", 2, "format is \"jsom\", expected one of "),
        (&["-", "-o", "/no/such/directory/x"], "", 1, "cannot write /no/such/directory/x"),
    ] {
        let output = convert(arguments, stdin);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}
