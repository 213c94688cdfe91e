//! Sidecars that speak mutual TLS with each other and with the collector.

use meshspan_tests::authority::Authority;
use meshspan_tests::collect::{Collect, Ports};

use super::*;

/// A port that is free now; whoever is to listen there is started later.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// ```text
/// web ─▶ middle ─▶ emoji, all exporting to a collector that takes spans from these three alone
/// ```
#[test]
fn the_runs_authority_makes_everybody_known_to_everybody() {
    for (names, identity) in [
        ("spiffe", "spiffe://cluster.local/ns/default/sa/NAME"),
        ("linkerd", "serviceAccountName=NAME,namespace=default"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("keys");
        let tls = format!(
            r#"{{"names": "{names}", "directory": "{}", "others": ["collector"], "collector": "collector"}}"#,
            keys.display()
        );
        let call = |callee: &str| format!(r#""{callee}": {{"variable": "NEXT"}}"#);
        let services = format!(
            r#"{{"web": {{"command": {app}, "calls": {{{}}}}}, "middle": {{"command": {app}, "calls": {{{}}}}},
                 "emoji": {{"command": {app}}}}}"#,
            call("middle"),
            call("emoji"),
            app = app()
        );
        let grpc = free_port();
        let endpoint = format!("https://127.0.0.1:{grpc}");
        let mut mesh = Mesh::start_with("web", &tls, &services, &["--otlp-endpoint", &endpoint]);
        mesh.ready(3);
        let entry = mesh.entry();

        let file = |name: &str| keys.join(name).into_os_string().into_string().unwrap();
        let saved = directory.path().join("saved.jsonl");
        let (certificate, key, ca) = (file("collector.pem"), file("collector.key"), file("ca.pem"));
        let mut arguments = vec!["--in-memory", "--save", saved.to_str().unwrap()];
        arguments.extend(["--tls-cert", &certificate, "--tls-key", &key, "--client-ca", &ca]);
        let identities = ["web", "middle", "emoji"].map(|name| identity.replace("NAME", name));
        identities.iter().for_each(|identity| arguments.extend(["--client-identity", identity]));
        let collect = Collect::run(Ports { grpc, ..Ports::default() }, &arguments);

        let request = Request::get("/list").header("traceparent", format!("00-{TRACE_ID}-{PARENT}-01"));
        let response = request.send_http1(entry);
        assert_eq!((response.status, response.body), (200, b"next: next: end\n".to_vec()), "{names}");
        // Nobody without a certificate gets past the entry.
        let behind = mesh.inbound("emoji");
        let refused = Request::get("/list").try_send_http1(behind);
        assert!(refused.is_err(), "{names}: plain text is no way in");

        mesh.interrupt();
        let (code, stdout, stderr) = mesh.end();
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("emoji, inbound: 1 request on"), "{stdout}");
        assert!(stderr.contains("the peer does not speak TLS"), "{stderr}");
        let counted = collect.metrics();
        let stored: f64 =
            counted.iter().filter(|(name, _)| name.contains("stored")).map(|(_, count)| count).sum();
        assert!(stored >= 10.0, "{counted:?}");
        drop(collect);
        let spans = meshspan_tests::spans::of_json_lines(&std::fs::read_to_string(&saved).unwrap());
        let kinds: Vec<u8> = chain(&spans, TRACE_ID, PARENT).iter().map(|span| span.kind).collect();
        assert_eq!(kinds, [SERVER, CLIENT].repeat(5), "{names}");
    }
}

#[test]
fn a_wrong_identity_is_refused_on_either_side_and_named() {
    let authority = Authority::new();
    let id = |name: &str| format!("spiffe://cluster.local/ns/default/sa/{name}");
    for (web, emoji, expected) in [
        ("web", "mallory", format!("the peer presented {}, expected {}", id("mallory"), id("emoji"))),
        ("mallory", "emoji", format!("the peer presented {}, expected {}", id("mallory"), id("web"))),
        ("web", "emoji", String::new()),
    ] {
        let tls = format!(r#"{{"roots": "{}"}}"#, authority.roots());
        let own = |name: &str| {
            let pair = authority.sign(name, &[&id(name)]);
            format!(r#"{{"certificate": "{}", "key": "{}"}}"#, pair.certificate, pair.key)
        };
        let services = format!(
            r#"{{"web": {{"command": {app}, "tls": {}, "calls": {{"emoji": {{"variable": "NEXT"}}}}}},
                 "emoji": {{"command": {app}, "tls": {}}}}}"#,
            own(web),
            own(emoji),
            app = app()
        );
        let mut mesh = Mesh::start_with("web", &tls, &services, &[]);
        mesh.ready(2);
        let status = Request::get("/list").send_http1(mesh.entry()).status;
        mesh.interrupt();
        let (code, stdout, stderr) = mesh.end();
        assert_eq!(code, Some(0), "{stderr}");
        if expected.is_empty() {
            assert_eq!(status, 200, "{stderr}");
            continue;
        }
        assert_eq!(status, 503, "{stderr}");
        assert!(stderr.contains(&expected), "{expected}: {stderr}");
        assert!(stdout.contains("emoji, inbound: 0 requests"), "nothing was sent: {stdout}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let tls = r#"{"roots": "nowhere.pem"}"#;
    let services =
        format!(r#"{{"web": {{"command": {}, "tls": {{"certificate": "a", "key": "b"}}}}}}"#, app());
    let (code, _, stderr) = Mesh::start_with("web", tls, &services, &[]).end();
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("error: the inbound sidecar of web: ") && stderr.contains(".pem: "), "{stderr}");
}
