//! `meshspan filter`: the wasm that this program carries, as a file or as an OCI image.

mod image;

use std::{io::Write, path::Path};

use meshspan::filter_wasm;
use sha2::{Digest, Sha256};

use super::{
    args::FilterArgs,
    error::CliError,
    print,
    save::{self, Content, Lines, Named},
};
use image::Image;

/// Writes the filter, and prints its SHA-256 as `sha256sum` does, or the image's digest in its place.
pub(crate) fn write(args: &FilterArgs) -> Result<(), CliError> {
    let wasm = filter_wasm();
    let line = |digest: String, path: &Path| format!("{digest}  {}\n", path.display());
    let mut written = String::new();
    if let Some(path) = &args.out {
        let mut file = save::open(Named { flag: "--out", path }, Content::Wasm, Lines::Go)?;
        file.write_all(wasm).map_err(|error| CliError::write(path, &error))?;
        written += &line(hex::encode(Sha256::digest(wasm)), path);
    }
    if let Some(directory) = &args.oci {
        let image = Image::of(wasm).map_err(|error| CliError::write(directory, &error))?;
        image.write(directory)?;
        written += &line(image.digest(), directory);
    }
    print(&written)
}
