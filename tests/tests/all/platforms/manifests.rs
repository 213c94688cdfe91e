//! Objects of Kubernetes in `envoy-config/`, the filter's configurations in them, and what their definitions say.

use std::io::Write;
use std::process::{Command, Stdio};

use meshspan_tests::tools;
use serde::Deserialize;
use serde_json::{Value, json};

/// An object, and the file below `envoy-config/` that it is from.
pub(super) struct Manifest {
    pub(super) file: String,
    pub(super) object: Value,
}

/// One use of the filter, as a WasmPlugin or an EnvoyExtensionPolicy describes it.
pub(super) struct Plugin {
    /// What the control plane calls it.
    pub(super) name: String,
    pub(super) root_id: String,
    /// Variables that the object itself sets.
    pub(super) variables: Vec<(String, String)>,
    /// Variables of the proxy that the filter may see.
    pub(super) host_variables: Vec<String>,
    pub(super) configuration: Value,
}

/// Every object of every file of a folder of `envoy-config/`.
pub(super) fn manifests(folder: &str) -> Vec<Manifest> {
    let directory = tools::repository().join("envoy-config").join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let file = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let object = Value::deserialize(document).unwrap_or_else(|error| panic!("{file}: {error}"));
            found.push(Manifest { file: file.clone(), object });
        }
    }
    found
}

/// What the projects' definitions have against these objects: lines that begin with the file.
pub(super) fn problems(manifests: &[Manifest]) -> Vec<String> {
    let entries: Vec<_> = manifests
        .iter()
        .map(|manifest| json!({ "place": manifest.file, "object": manifest.object }))
        .collect();
    let mut node = Command::new("node")
        .arg(tools::repository().join("tests/kubernetes/check.mjs"))
        .env("KUBERNETES_TOOLS", tools::kubernetes())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    node.stdin.take().unwrap().write_all(Value::from(entries).to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "tests/kubernetes/check.mjs: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

impl Manifest {
    /// The filter's uses in this object.
    pub(super) fn plugins(&self) -> Vec<Plugin> {
        let spec = &self.object["spec"];
        match self.object["kind"].as_str() {
            Some("WasmPlugin") => vec![self.wasm_plugin(spec)],
            Some("EnvoyExtensionPolicy") => {
                list(&spec["wasm"]).iter().map(|wasm| self.extension(wasm)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn wasm_plugin(&self, spec: &Value) -> Plugin {
        let (host, own): (Vec<_>, Vec<_>) =
            list(&spec["vmConfig"]["env"]).iter().partition(|variable| variable["valueFrom"] == "HOST");
        Plugin {
            name: format!("{}.{}", self.metadata("namespace"), self.metadata("name")),
            root_id: text(&spec["pluginName"]),
            variables: own
                .iter()
                .map(|variable| (text(&variable["name"]), text(&variable["value"])))
                .collect(),
            host_variables: host.iter().map(|variable| text(&variable["name"])).collect(),
            configuration: spec["pluginConfig"].clone(),
        }
    }

    fn extension(&self, wasm: &Value) -> Plugin {
        Plugin {
            name: format!("envoyextensionpolicy/{}/{}", self.metadata("namespace"), self.metadata("name")),
            root_id: text(&wasm["rootID"]),
            variables: Vec::new(),
            host_variables: list(&wasm["env"]["hostKeys"]).iter().map(text).collect(),
            configuration: wasm["config"].clone(),
        }
    }

    pub(super) fn metadata(&self, key: &str) -> String {
        text(&self.object["metadata"][key])
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
