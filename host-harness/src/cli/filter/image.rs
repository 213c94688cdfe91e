//! A wasm module as an OCI image in a directory, as Istio and Envoy Gateway pull it: no daemon, no registry.
//! One layer, a tar with `plugin.wasm`; no dates, so that the same module always has the same digest.
//! Spec: <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>, and the variant "compat" of
//! <https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md>
//! `oci-layout`, `index.json`, `blobs/sha256/{layer, config, manifest}`

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::error::CliError;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The only name that those who pull look for.
const MODULE: &str = "plugin.wasm";

/// The image's name within its layout: `oras` and `skopeo` take `DIRECTORY:0.1.0`.
const TAG: &str = env!("CARGO_PKG_VERSION");

/// All files of an image layout.
pub(super) struct Image {
    layer: Blob,
    config: Blob,
    manifest: Blob,
    index: Vec<u8>,
}

/// Bytes that are named after their digest.
struct Blob {
    media_type: &'static str,
    content: Vec<u8>,
}

impl Image {
    /// The image of `wasm`.
    ///
    /// # Errors
    /// None that depends on `wasm`: tar and gzip are written to memory.
    pub(super) fn of(wasm: &[u8]) -> io::Result<Image> {
        let archive = tar(wasm)?;
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        io::Write::write_all(&mut packed, &archive)?;
        let layer = Blob { media_type: LAYER, content: packed.finish()? };
        let config = Blob::json(
            CONFIG,
            &json!({
                // As `docker build` says of such images: nothing in it runs, but some pull only what has a platform.
                "architecture": "amd64",
                "os": "linux",
                "rootfs": { "type": "layers", "diff_ids": [digest(&archive)] },
            }),
        );
        let manifest = Blob::json(
            MANIFEST,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
                "annotations": {
                    "module.wasm.image/variant": "compat",
                    "org.opencontainers.image.title": "meshspan-filter",
                    "org.opencontainers.image.version": TAG,
                    "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
                },
            }),
        );
        let named = json!({
            "mediaType": MANIFEST,
            "digest": digest(&manifest.content),
            "size": manifest.content.len(),
            "annotations": { "org.opencontainers.image.ref.name": TAG },
        });
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [named] });
        Ok(Image { layer, config, manifest, index: index.to_string().into_bytes() })
    }

    /// What registries call the image: `sha256:` and 64 hex digits.
    pub(super) fn digest(&self) -> String {
        digest(&self.manifest.content)
    }

    /// Lays the image out in `directory`, which is made if need be.
    ///
    /// # Errors
    /// If it holds anything but this very image, or cannot be written.
    pub(super) fn write(&self, directory: &Path) -> Result<(), CliError> {
        let index = directory.join("index.json");
        if is_used(directory) && fs::read(&index).ok().as_ref() != Some(&self.index) {
            let message = format!("{} is not empty and holds another image or none", directory.display());
            return Err(CliError::runtime(message).help("name a directory that is empty or not there yet"));
        }
        let write = |path: PathBuf, content: &[u8]| {
            fs::write(&path, content).map_err(|error| CliError::write(&path, &error))
        };
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|error| CliError::write(&blobs, &error))?;
        for blob in [&self.layer, &self.config, &self.manifest] {
            write(blobs.join(hex::encode(Sha256::digest(&blob.content))), &blob.content)?;
        }
        write(directory.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        write(index, &self.index)
    }
}

impl Blob {
    fn json(media_type: &'static str, content: &Value) -> Blob {
        Blob { media_type, content: content.to_string().into_bytes() }
    }

    fn descriptor(&self) -> Value {
        let size = self.content.len();
        json!({ "mediaType": self.media_type, "digest": digest(&self.content), "size": size })
    }
}

/// A tar archive that holds `wasm` and says nothing of when, where and by whom it was made.
fn tar(wasm: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_path(MODULE)?;
    header.set_size(wasm.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, wasm)?;
    archive.into_inner()
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}

fn is_used(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}
