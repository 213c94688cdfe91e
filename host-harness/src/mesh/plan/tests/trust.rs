//! The file's `tls`.

use super::*;

const TLS: &str = r#"{"version": 1, "entry": "web", "tls": {"others": ["collector"], "collector": "collector"},
  "services": {
    "web": {"command": ["a"], "calls": {"emoji": {"variable": "A"}}},
    "emoji": {"address": "http://127.0.0.1:9000", "tls": {}}}}"#;

fn trust(json: &str) -> Trust {
    plan(json).unwrap().trust.unwrap()
}

#[test]
fn services_are_called_after_themselves_as_spiffe_or_linkerd_has_it() {
    let spiffe = trust(TLS);
    assert_eq!(spiffe.identities["web"].to_string(), "spiffe://cluster.local/ns/default/sa/web");
    assert_eq!(spiffe.collector.unwrap().to_string(), "spiffe://cluster.local/ns/default/sa/collector");
    let Authority::OfRun { directory: None, others } = spiffe.authority else { panic!("made for the run") };
    assert_eq!(others.keys().collect::<Vec<_>>(), ["collector"]);
    let linkerd = TLS.replace(
        r#""tls": {"o"#,
        r#""tls": {"names": "linkerd", "namespace": "shop", "trust_domain": "td", "directory": "keys", "o"#,
    );
    let linkerd = trust(&linkerd);
    let expected = "emoji.shop.serviceaccount.identity.linkerd.td";
    assert_eq!(linkerd.identities["emoji"].to_string(), expected);
    assert!(
        matches!(linkerd.authority, Authority::OfRun { directory: Some(path), .. } if path == Path::new("/mesh/keys"))
    );
}

#[test]
fn only_those_who_call_may_call() {
    let plan = plan(TLS).unwrap();
    let names = |callee: &str| plan.callers(callee).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names("emoji"), ["spiffe://cluster.local/ns/default/sa/web"]);
    assert_eq!(names("web"), Vec::<String>::new());
}

#[test]
fn certificates_may_be_somebody_elses() {
    let given = TLS
        .replace(r#"{"others": ["collector"], "collector": "collector"}"#, r#"{"roots": "ca.pem"}"#)
        .replace(
            r#""tls": {}"#,
            r#""tls": {"certificate": "e.pem", "key": "/k/e.key", "identity": "emoji.test"}"#,
        )
        .replace(r#""command""#, r#""tls": {"certificate": "w.pem", "key": "w.key"}, "command""#);
    let found = trust(&given);
    assert_eq!(found.identities["emoji"].to_string(), "emoji.test");
    let Authority::Given { roots, pairs } = found.authority else { panic!("given") };
    assert_eq!(roots, Path::new("/mesh/ca.pem"));
    assert_eq!(pairs["emoji"], ("/mesh/e.pem".into(), "/k/e.key".into()));
    let error = plan(&given.replace(r#", "key": "w.key""#, "")).unwrap_err().to_string();
    assert_eq!(error, "services.web.tls.key is missing, expected a file in PEM, as tls.roots are given");
    let error = plan(&given.replace(r#"{"roots""#, r#"{"others": ["x"], "roots""#)).unwrap_err().to_string();
    assert!(error.starts_with("tls.others is given, expected none beside tls.roots"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    for (written, instead, expected) in [
        (r#""tls": {"others""#, r#""name": 1, "tls": {"others""#, "unknown field `name`"),
        (r#"["collector"]"#, r#"["web"]"#, "tls.others is \"web\", expected others than the services"),
        (
            r#"["collector"]"#,
            r#"["../x"]"#,
            "a service's name is \"../x\", expected with tls a name of letters",
        ),
        (r#"["collector"]"#, r#"["ca"]"#, "a service's name is \"ca\""),
        (r#""collector": "collector""#, r#""collector": "a b""#, "tls.collector: \"a b\" is no identity"),
        (
            r#""tls": {}"#,
            r#""tls": {"identity": "spiffe://"}"#,
            "services.emoji.tls.identity: \"spiffe://\" is no identity",
        ),
        (
            r#""tls": {}"#,
            r#""tls": {"key": "k"}"#,
            "services.emoji.tls.certificate is given, expected none without",
        ),
        (
            r#""tls": {"others": ["collector"], "collector": "collector"},"#,
            "",
            "services.emoji.tls is given, expected none without the file's own",
        ),
    ] {
        let json = TLS.replacen(written, instead, 1);
        assert_ne!(json, TLS, "{written}");
        let error = plan(&json).unwrap_err().to_string();
        assert!(error.contains(expected), "{instead}: {error}");
    }
}
