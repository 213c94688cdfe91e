//! What `envoy-config/` has for Kubernetes, Istio and Envoy Gateway: each object is held against its project's own
//! definitions, each configuration against the filter, and what the control planes make of them is run in Envoy.

mod envoys;
mod manifests;

use std::process::Command;

use meshspan_tests::tools;
use serde_json::Value;

use manifests::{Manifest, manifests, problems};

const FOLDERS: [&str; 3] = ["envoy-gateway", "istio", "kubernetes"];

/// What the definitions do not know, and why it is there nevertheless.
const NEWER: [(&str, &str, &str); 1] = [(
    "istio/telemetry.yaml",
    "disableContextPropagation",
    "of Istio 1.30; the definitions are those of 1.29.2",
)];

fn all() -> Vec<Manifest> {
    FOLDERS.iter().flat_map(|folder| manifests(folder)).collect()
}

#[test]
fn every_object_is_as_its_project_defines_it() {
    let found = problems(&all());
    let expected = |problem: &String| {
        NEWER
            .iter()
            .any(|(file, key, _)| problem.starts_with(file) && problem.contains(&format!("'\"{key}\"'")))
    };
    let (expected, wrong): (Vec<_>, Vec<_>) = found.into_iter().partition(expected);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(expected.len(), NEWER.len(), "the table has a row too many: {expected:?}");
}

/// That the test above can fail: each key of each object's `spec`, misspelt, and some wrong values.
#[test]
fn what_is_misspelt_is_noticed() {
    let mut wrong = Vec::new();
    for Manifest { file, object } in all() {
        let keys = object["spec"].as_object().unwrap().keys();
        for key in keys {
            let mut misspelt = object.clone();
            let spec = misspelt["spec"].as_object_mut().unwrap();
            let value = spec.remove(key).unwrap();
            spec.insert(format!("{key}x"), value);
            wrong.push(Manifest { file: format!("{file}: {}.{key}x", object["kind"]), object: misspelt });
        }
    }
    for (file, pointer, value) in [
        ("istio/wasm-plugin.yaml", "/spec/sha256", Value::from("1234")),
        ("istio/wasm-plugin.yaml", "/spec/failStrategy", Value::from("OPEN")),
        ("istio/wasm-plugin.yaml", "/spec/vmConfig/env/0/valueFrom", Value::from("host")),
        ("istio/collector.yaml", "/spec/ports/0/port", Value::from("4317")),
        ("envoy-gateway/policy.yaml", "/spec/wasm/0/code/type", Value::from("OCI")),
        ("envoy-gateway/gateway.yaml", "/spec/bootstrap/jsonPatches/0/op", Value::from("append")),
    ] {
        let Manifest { mut object, .. } = all().into_iter().find(|manifest| manifest.file == file).unwrap();
        *object.pointer_mut(pointer).unwrap() = value;
        wrong.push(Manifest { file: format!("{file}: {pointer}"), object });
    }
    let found = problems(&wrong);
    let unnoticed: Vec<_> = wrong
        .iter()
        .map(|manifest| &manifest.file)
        .filter(|file| !found.iter().any(|problem| problem.starts_with(&format!("{file}:"))))
        .collect();
    assert_eq!(unnoticed, Vec::<&String>::new(), "of {}", wrong.len());
}

/// By the command that people check theirs with.
#[test]
fn every_configuration_is_accepted_without_a_warning() {
    let configured: Vec<_> = all().iter().flat_map(Manifest::plugins).collect();
    assert_eq!(configured.len(), 3, "wasm-plugin.yaml, ingress.yaml, policy.yaml");
    let folder = tempfile::tempdir().unwrap();
    for plugin in configured {
        let file = folder.path().join("plugin.json");
        std::fs::write(&file, plugin.configuration.to_string()).unwrap();
        let mut check = Command::new(tools::meshspan());
        check.arg("check").arg(&file);
        let host = plugin.host_variables.iter().map(|name| (name.clone(), "pod=web-0".to_owned()));
        for (name, value) in plugin.variables.iter().cloned().chain(host) {
            check.arg("--env").arg(format!("{name}={value}"));
        }
        let output = check.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", plugin.name);
        let accepted = format!("{}: accepted\n", file.display());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), accepted, "{}", plugin.name);
    }
}
