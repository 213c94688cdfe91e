//! The filter as an OCI image: that others take it for one, push it, and find in it what Istio and Envoy Gateway look
//! for. `meshspan filter --oci` makes it; skopeo, umoci and the registry are by others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use meshspan_tests::process::{Process, free_port};
use meshspan_tests::{client, tools, wait};
use serde_json::Value;
use tempfile::TempDir;

const TAG: &str = env!("CARGO_PKG_VERSION");

/// A directory with the image, and the digest that was printed.
struct Layout {
    folder: TempDir,
    digest: String,
}

impl Layout {
    fn write() -> Layout {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("image");
        let printed = succeed(Command::new(tools::meshspan()).args(["filter", "--oci"]).arg(&directory));
        let digest = printed.strip_suffix(&format!("  {}\n", directory.display()));
        let digest = digest.unwrap_or_else(|| panic!("{printed}")).to_owned();
        Layout { folder, digest }
    }

    fn directory(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// As skopeo and umoci name it.
    fn reference(&self) -> String {
        format!("{}:{TAG}", self.directory().display())
    }

    fn manifest(&self) -> Value {
        let blob = self.directory().join("blobs").join(self.digest.replace(':', "/"));
        serde_json::from_slice(&std::fs::read(blob).unwrap()).unwrap()
    }
}

fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn skopeo(arguments: &[&str]) -> String {
    succeed(Command::new(tools::skopeo()).arg("--insecure-policy").args(arguments))
}

/// Every file below `directory`, by its path there.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, content)| (name.join(inner), content)));
        } else {
            found.insert(name, std::fs::read(path).unwrap());
        }
    }
    found
}

/// umoci verifies sizes and digests of all blobs, and of the layer as it is when unpacked.
#[test]
fn unpacked_it_is_the_filter() {
    let layout = Layout::write();
    let bundle = layout.folder.path().join("bundle");
    succeed(
        Command::new(tools::umoci())
            .args(["unpack", "--rootless", "--image", &layout.reference()])
            .arg(&bundle),
    );
    let found = files(&bundle.join("rootfs"));
    assert_eq!(found.keys().collect::<Vec<_>>(), [Path::new("plugin.wasm")]);
    assert!(found[Path::new("plugin.wasm")] == meshspan::filter_wasm(), "byte for byte");
}

/// What both ask of the variant "compat".
#[test]
fn it_has_one_layer_and_says_which_variant_it_is() {
    let manifest = Layout::write().manifest();
    let layers = manifest["layers"].as_array().unwrap();
    let types: Vec<_> = layers.iter().map(|layer| layer["mediaType"].as_str().unwrap()).collect();
    assert_eq!(types, ["application/vnd.oci.image.layer.v1.tar+gzip"]);
    assert_eq!(manifest["annotations"]["module.wasm.image/variant"], "compat");
}

#[test]
fn the_same_filter_has_the_same_digest() {
    let (one, other) = (Layout::write(), Layout::write());
    assert_eq!(one.digest, other.digest);
    assert!(files(&one.directory()) == files(&other.directory()), "and the same bytes");
}

/// The README's command, to a registry on this machine.
#[test]
fn pushed_it_has_the_printed_digest() {
    let (layout, port, data) = (Layout::write(), free_port(), tempfile::tempdir().unwrap());
    let configuration = format!(
        "version: 0.1\nhttp: {{ addr: '127.0.0.1:{port}' }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n",
        data.path().display(),
    );
    let file = data.path().join("registry.yml");
    std::fs::write(&file, configuration).unwrap();
    let mut registry = Process::start(Command::new(tools::registry()).arg("serve").arg(file));
    wait::until("the registry", || {
        registry.assert_alive("docker-registry");
        client::Request::get("/v2/").try_send_http1(port).ok()
    });
    let (from, to) = (
        format!("oci:{}", layout.reference()),
        format!("docker://127.0.0.1:{port}/wasm/meshspan-filter:{TAG}"),
    );
    skopeo(&["copy", "--dest-tls-verify=false", &from, &to]);
    let pushed: Value = serde_json::from_str(&skopeo(&["inspect", "--tls-verify=false", &to])).unwrap();
    assert_eq!(pushed["Digest"], layout.digest);
}

#[test]
fn a_used_directory_is_left_alone() {
    let layout = Layout::write();
    let again = |directory: &Path| {
        let mut command = Command::new(tools::meshspan());
        let output = command.args(["filter", "--oci"]).arg(directory).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(again(&layout.directory()), (Some(0), String::new()), "the same image once more");

    for (name, reason) in [("index.json", "another image"), ("notes.txt", "no image")] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), "{}").unwrap();
        let (code, stderr) = again(folder.path());
        assert_eq!(code, Some(1), "{reason}: {stderr}");
        assert!(stderr.contains("is not empty"), "{reason}: {stderr}");
        assert_eq!(files(folder.path()).len(), 1, "{reason}");
    }
}
