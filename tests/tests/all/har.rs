//! HAR of a real Chromium, by two writers: DevTools' own export, and Playwright's recorder. The site that was visited
//! kept account: what is read must be what it was asked and what it answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshspan::traffic::{Chunk, Entry, Exchange, Headers, Input, Options, open};
use meshspan_tests::{live, tools};
use serde::Deserialize;

/// One request as the site saw it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: String,
    path: String,
    authority: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    answer_headers: Vec<(String, serde_json::Value)>,
    answer: String,
}

/// What a writer does not tell, by the request: nothing can be read of it.
type Untold = &'static [(&'static str, &'static str)];

/// Has the visit recorded; the file's path, and what the site was asked.
fn record(writer: &str, folder: &Path) -> (String, Vec<Asked>) {
    let output = Command::new("node")
        .arg(tools::repository().join(format!("tests/browser/har/{writer}.mjs")))
        .env("FILES", folder)
        .env("CHROMIUM", tools::chromium())
        .env("BROWSER_TOOLS", tools::browser())
        .env("CERTIFICATE", live::tls("cert.pem").parent().unwrap())
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{writer}: {}", String::from_utf8_lossy(&output.stderr));
    let asked = std::fs::read(folder.join(format!("{writer}.asked.json"))).unwrap();
    let har = folder.join(format!("{writer}.har")).into_os_string().into_string().unwrap();
    (har, serde_json::from_slice(&asked).unwrap())
}

/// Runs `meshspan`; what it wrote to stdout and to stderr.
fn meshspan(arguments: &[&str]) -> (String, String) {
    let output = Command::new(tools::meshspan()).args(arguments).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    (stdout, stderr)
}

fn bytes(body: Option<&Vec<Chunk>>) -> Option<Vec<u8>> {
    body.map(|chunks| chunks.iter().flat_map(|chunk| chunk.data.clone()).collect())
}

fn value<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let own = headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    own.filter_map(|(_, value)| value.to_str()).collect()
}

/// Holds what was read against what the site knows.
fn compare(exchange: &Exchange, asked: &Asked, untold: Untold) {
    let what = format!("{} {}", asked.method, asked.path);
    let is_untold = |part: &str| untold.contains(&(what.as_str(), part));
    let (request, response) = (&exchange.request, &exchange.response);
    assert_eq!(
        (request.scheme.as_str(), request.authority.as_str()),
        ("https", asked.authority.as_str()),
        "{what}"
    );
    let sent = STANDARD.decode(&asked.body).unwrap();
    assert_eq!(request.body_bytes, sent.len() as u64, "{what}");
    if !is_untold("request body") {
        assert_eq!(bytes(request.body.as_ref()).unwrap_or_default(), sent, "{what}");
    }
    // What was sent is read, in the words of either version of HTTP.
    for (name, sent) in &asked.headers {
        let connection = ["host", "connection", "content-length", "accept-encoding"];
        if !connection.contains(&name.as_str()) && !is_untold("request headers") {
            assert_eq!(value(&request.headers, name), [sent], "{what}: {name}");
        }
    }
    assert!(request.headers.iter().all(|(name, _)| !name.starts_with(':')), "{what}: {:?}", request.headers);
    if is_untold("status") {
        return;
    }
    assert_eq!(response.status, asked.status, "{what}");
    let answer = STANDARD.decode(&asked.answer).unwrap();
    // A body that the protocol does not have, the site may have given all the same.
    let answer = if asked.method == "HEAD" { Vec::new() } else { answer };
    assert_eq!(bytes(response.body.as_ref()).unwrap_or_default(), answer, "{what}");
    assert_eq!(response.body_bytes, answer.len() as u64, "{what}");
    for (name, sent) in &asked.answer_headers {
        let sent: Vec<&str> = match sent {
            serde_json::Value::Array(several) => several.iter().filter_map(|one| one.as_str()).collect(),
            one => one.as_str().into_iter().collect(),
        };
        // Bodies are decoded, and their headers are those of what is there.
        let expected = if name == "content-encoding" && !answer.is_empty() { Vec::new() } else { sent };
        if !is_untold("response headers") {
            assert_eq!(value(&response.headers, name), expected, "{what}: {name}");
        }
    }
    let timing = exchange.timing_us;
    assert!(timing.response_start <= timing.response_end, "{what}: {timing:?}");
}

/// Converts and replays what a writer wrote; `skipped` are the reasons that must be given for the rest.
fn read_back(writer: &str, untold: Untold, skipped: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (har, asked) = record(writer, folder.path());
    let (lines, said) = meshspan(&["convert", "--keep-secrets", &har]);
    let mut read: BTreeMap<String, Vec<Exchange>> = BTreeMap::new();
    for line in lines.lines() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        let what = format!("{} {}", exchange.request.method, exchange.request.path);
        read.entry(what).or_default().push(exchange);
    }
    assert_eq!(read.values().map(Vec::len).sum::<usize>(), asked.len(), "{writer}: {said}\n{lines}");
    for asked in &asked {
        let what = format!("{} {}", asked.method, asked.path);
        let own = read.get_mut(&what).filter(|own| !own.is_empty());
        let exchange = own.unwrap_or_else(|| panic!("{writer}: {what} was not read: {said}")).remove(0);
        compare(&exchange, asked, untold);
    }
    let entries = open(&Input::from(har.as_str()), &Options::default()).unwrap().map(Result::unwrap);
    let reasons = entries.filter_map(|entry| match entry {
        Entry::Skipped(skip) => Some(skip.reason.to_string()),
        Entry::Exchange { .. } => None,
    });
    let reasons: Vec<String> = reasons.collect();
    for reason in skipped {
        assert!(reasons.iter().any(|found| found.contains(reason)), "{writer}: {reason}: {reasons:#?}");
    }
    let (summary, _) = meshspan(&["replay", &har, "-o", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["exchanges"], asked.len(), "{summary}");
}

#[test]
fn what_devtools_export_is_what_the_site_was_asked() {
    let untold = &[];
    let skipped = [
        "its URL's scheme is \"data\"",
        "its URL's scheme is \"blob\"",
        "answered by the browser's disk cache",
        "net::ERR_CONNECTION_CLOSED",
        "net::ERR_ABORTED",
        "its URL's scheme is \"wss\"",
    ];
    read_back("devtools", untold, &skipped);
}

#[test]
fn what_playwright_records_is_what_the_site_was_asked() {
    let untold = &[("PUT /api/echo?binary", "request body"), ("GET /api/etag", "status")];
    let skipped = [
        "its URL's scheme is \"blob\"",
        "answered by the browser's cache",
        "net::ERR_CONNECTION_CLOSED",
        "net::ERR_ABORTED",
        "its URL's scheme is \"wss\"",
    ];
    read_back("playwright", untold, &skipped);
}
