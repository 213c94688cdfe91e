#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::headers::encode;

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// A node of these properties, labels and annotations, as Envoy serializes them.
fn node(properties: Pairs<'_>, labels: Pairs<'_>, annotations: Pairs<'_>) -> Node {
    Node::read(|path| match path {
        "metadata\0LABELS" => Some(encode(labels)),
        "metadata\0ANNOTATIONS" => Some(encode(annotations)),
        _ => {
            let found = properties.iter().find(|(known, _)| *known == path.replace('\0', "."));
            found.map(|(_, value)| value.as_bytes().to_vec())
        }
    })
}

fn parse_on(node: &Node, json: &str, env: Pairs<'_>) -> (Config, Vec<Warning>) {
    let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::parse_on(node, json.as_bytes(), &env).unwrap()
}

#[test]
fn rule_47_a_pod_gives_its_name_place_and_service() {
    let node = node(
        &[
            ("id", "sidecar~10.0.0.1~web-1.emojivoto~emojivoto.svc.cluster.local"),
            ("cluster", "web.emojivoto"),
            ("locality.region", "eu"),
            ("locality.zone", "eu-1a"),
            ("metadata.NAME", "web-1"),
            ("metadata.NAMESPACE", "emojivoto"),
            ("metadata.WORKLOAD_NAME", "web-deployment"),
            ("metadata.OWNER", "kubernetes://apis/apps/v1/namespaces/emojivoto/deployments/web-deployment"),
            ("metadata.CLUSTER_ID", "Kubernetes"),
            ("metadata.NODE_NAME", "node-3"),
        ],
        &[("app", "x"), ("app.kubernetes.io/name", "web"), ("app.kubernetes.io/version", "v11")],
        &[("resource.opentelemetry.io/team", "blue"), ("other/annotation", "x")],
    );
    let (config, warnings) = parse_on(&node, "", &[]);
    assert_eq!(warnings, []);
    let expected = [
        ("cloud.availability_zone", "eu-1a"),
        ("cloud.region", "eu"),
        ("k8s.cluster.name", "Kubernetes"),
        ("k8s.deployment.name", "web-deployment"),
        ("k8s.namespace.name", "emojivoto"),
        ("k8s.node.name", "node-3"),
        ("k8s.pod.name", "web-1"),
        ("service.instance.id", "sidecar~10.0.0.1~web-1.emojivoto~emojivoto.svc.cluster.local"),
        ("service.name", "web"),
        ("service.namespace", "emojivoto"),
        ("service.version", "v11"),
        ("team", "blue"),
    ];
    let resource = config.resource.iter().filter(|(key, _)| !key.starts_with("telemetry."));
    let resource: Vec<_> = resource.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(resource, expected);
}

#[test]
fn the_services_name_is_the_first_that_somebody_gives() {
    const CLUSTER: (&str, &str) = ("cluster", "node-cluster");
    const WORKLOAD: (&str, &str) = ("metadata.WORKLOAD_NAME", "workload");
    const NAME: (&str, &str) = ("app.kubernetes.io/name", "name-label");
    const INSTANCE: (&str, &str) = ("app.kubernetes.io/instance", "instance-label");
    const ANNOTATION: (&str, &str) = ("resource.opentelemetry.io/service.name", "annotation");
    const ATTRIBUTES: (&str, &str) = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attributes");
    const OTEL_NAME: (&str, &str) = ("OTEL_SERVICE_NAME", "variable");
    const RESOURCE: &str = r#"{"resource": {"service.name": "resource"}}"#;
    const BOTH: &str = r#"{"service": {"name": "json"}, "resource": {"service.name": "resource"}}"#;
    let all = [CLUSTER, WORKLOAD];
    let cases: [(Pairs<'_>, Pairs<'_>, Pairs<'_>, Pairs<'_>, &str, &str); 10] = [
        (&[], &[], &[], &[], "", "unknown_service"),
        (&[CLUSTER], &[], &[], &[], "", "node-cluster"),
        (&all, &[], &[], &[], "", "workload"),
        (&all, &[NAME], &[], &[], "", "name-label"),
        (&all, &[INSTANCE, NAME], &[], &[], "", "instance-label"),
        (&all, &[NAME, INSTANCE], &[ANNOTATION], &[], "", "annotation"),
        (&all, &[NAME, INSTANCE], &[ANNOTATION], &[ATTRIBUTES], "", "attributes"),
        (&all, &[NAME, INSTANCE], &[ANNOTATION], &[ATTRIBUTES, OTEL_NAME], "", "variable"),
        (&all, &[NAME, INSTANCE], &[ANNOTATION], &[ATTRIBUTES, OTEL_NAME], RESOURCE, "resource"),
        (&all, &[NAME, INSTANCE], &[ANNOTATION], &[ATTRIBUTES, OTEL_NAME], BOTH, "json"),
    ];
    for (properties, labels, annotations, env, json, expected) in cases {
        let (config, _) = parse_on(&node(properties, labels, annotations), json, env);
        assert_eq!(resource(&config, "service.name").as_deref(), Some(expected));
    }
}

#[test]
fn every_attribute_has_the_same_precedence() {
    let (id, annotation) = (("id", "node"), ("resource.opentelemetry.io/service.instance.id", "annotation"));
    let env = ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=env,k8s.pod.name=env");
    let properties = [id, ("metadata.NAME", "node"), ("metadata.NAMESPACE", "node")];
    let json = r#"{"service": {"instance": "${POD}"}, "resource": {"k8s.pod.name": "json"}}"#;
    let (config, _) = parse_on(&node(&properties, &[], &[]), "", &[]);
    assert_eq!(resource(&config, "service.instance.id").as_deref(), Some("node"));
    let (config, _) = parse_on(&node(&properties, &[], &[annotation]), "", &[]);
    assert_eq!(resource(&config, "service.instance.id").as_deref(), Some("annotation"));
    let (config, _) = parse_on(&node(&properties, &[], &[annotation]), "", &[env]);
    assert_eq!(resource(&config, "service.instance.id").as_deref(), Some("env"));
    let (config, _) = parse_on(&node(&properties, &[], &[annotation]), json, &[env, ("POD", "web-1")]);
    assert_eq!(resource(&config, "service.instance.id").as_deref(), Some("web-1"));
    assert_eq!(resource(&config, "k8s.pod.name").as_deref(), Some("json"));
    assert_eq!(resource(&config, "service.namespace").as_deref(), Some("node"), "left as it was");
    assert_eq!(resource(&config, "k8s.namespace.name").as_deref(), Some("node"));
}

#[test]
fn what_is_no_text_is_no_attribute() {
    let cases: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (b"\xff", "not UTF-8"),
        (b"\0\0\0\0\0\0\x14@", "a number"),
        (b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0", "a map"),
        (b"a\nb", "several lines"),
    ];
    for (value, reason) in cases {
        let node = Node::read(|path| (!path.starts_with("metadata\0A")).then(|| value.to_vec()));
        assert_eq!(node, Node::default(), "{reason}");
    }
    let owners = [("web", "no path"), ("a/pods/web", "another kind"), ("/", "empty"), ("a/jobs/", "no name")];
    for (owner, reason) in owners {
        assert_eq!(node(&[("metadata.OWNER", owner)], &[], &[]), Node::default(), "{reason}");
    }
    assert_eq!(node(&[], &[], &[("resource.opentelemetry.io/", "x")]), Node::default(), "no key");
}

#[test]
fn what_does_not_fit_is_left_out_and_warned_of() {
    let long = "x".repeat(16_000);
    let annotations =
        [("resource.opentelemetry.io/a", long.as_str()), ("resource.opentelemetry.io/b", &long)];
    let (config, warnings) = parse_on(&node(&[("id", "node")], &[], &annotations), "", &[]);
    assert_eq!(resource(&config, "a"), Some(long.clone()));
    assert_eq!(resource(&config, "service.instance.id").as_deref(), Some("node"));
    assert_eq!(resource(&config, "b"), None);
    let warnings: Vec<_> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(warnings, ["the node's b is left out: a node's attributes are 16384 bytes at most"]);
}
