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
        "1 exchange, 0 entries skipped\n4 values redacted\n"
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
    assert!(stderr.starts_with("2 exchanges, 1 entry skipped\nskipped 1: unreadable (first: "), "{stderr}");
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
        (&["-", "-o", "/no/such/directory/x"], LINE, 1, "cannot write /no/such/directory/x"),
    ] {
        let output = convert(arguments, stdin);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
}

/// A way to make entry after entry of a format.
type Maker = fn(u64) -> String;

/// What stands before the entries, the entries, what stands behind them.
const LONG_FILES: [(&str, &str, Maker, &str); 6] = [
    ("jsonl", "", |number| LINE.replace("\"id\":\"1\"", &format!("\"id\":\"{number}\"")) + "\n", ""),
    (
        "har",
        r#"{"log":{"entries":["#,
        |number| format!("{}{}", if number == 0 { "" } else { "," }, HAR_ENTRY),
        "]}}",
    ),
    (
        "tap-json",
        "",
        |_| {
            format!(
                r#"{{"http_buffered_trace":{{"request":{{"headers":[{{"key":":method","value":"GET"}},{{"key":":path","value":"/"}},{{"key":":authority","value":"web"}}],"body":{{"as_string":"{}"}}}},"response":{{"headers":[{{"key":":status","value":"200"}}]}}}}}}"#,
                "x".repeat(300)
            )
        },
        "",
    ),
    (
        "access-log",
        "",
        |_| {
            r#"{"start_time":"2026-11-22T05:00:00Z","method":"GET","path":"/","authority":"web","response_code":200,"duration":3}"#.to_owned() + "\n"
        },
        "",
    ),
    (
        "gor",
        "",
        |number| {
            format!(
                "1 id{number} 1795323600000000000\nGET /{number} HTTP/1.1\r\nhost: web\r\n\r\n\n🐵🙈🙉\n2 id{number} 1795323600000000001 5\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi\n🐵🙈🙉\n"
            )
        },
        "",
    ),
    ("vegeta-http", "", |number| format!("GET http://web/{number}\nX-Account-ID: {number}\n\n"), ""),
];

const HAR_ENTRY: &str = r#"{"startedDateTime":"2026-11-22T05:00:00Z","request":{"method":"GET","url":"http://web/a","headers":[{"name":"accept","value":"*/*"}]},"response":{"status":200,"headers":[],"content":{"size":2,"text":"hi"}},"timings":{"send":1,"wait":2,"receive":3}}"#;

/// As long as the pipe is open the command runs, and tells how much memory it had at most. A file of any
/// length: `MESHSPAN_STREAM_BYTES=10000000000`.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_file() {
    let long = std::env::var("MESHSPAN_STREAM_BYTES").map_or(8 << 20, |bytes| bytes.parse().unwrap());
    for (format, head, entry, tail) in LONG_FILES {
        let [short, long] = [1 << 20, long].map(|bytes| peak_bytes(format, head, entry, tail, bytes));
        eprintln!("{format}: peak of {short} bytes for 1 MiB, {long} for the long file");
        assert!(long < short + (4 << 20), "{format}: {short} bytes of memory, then {long}");
    }
}

/// The most memory that converting so many bytes took.
#[cfg(target_os = "linux")]
fn peak_bytes(format: &str, head: &str, entry: Maker, tail: &str, bytes: u64) -> u64 {
    let mut command = meshspan(&["convert", "-", "--format", format, "-o", "/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = std::io::BufWriter::new(child.stdin.take().unwrap());
    let (mut written, mut number) = (0, 0);
    stdin.write_all(head.as_bytes()).unwrap();
    while written < bytes {
        let text = entry(number);
        stdin.write_all(text.as_bytes()).unwrap();
        written += text.len() as u64;
        number += 1;
    }
    stdin.flush().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak: u64 = peak.unwrap().parse().unwrap();
    stdin.write_all(tail.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.starts_with(&format!("{number} exchanges, 0 entries skipped")), "{format}: {stderr}");
    peak * 1024
}
