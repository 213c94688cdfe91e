//! `meshspan filter`: the wasm that this program carries, as a file.

use meshspan::filter_wasm;
use sha2::{Digest, Sha256};

use super::{args::FilterArgs, error::CliError, print};

/// Writes the filter, and prints its SHA-256 as `sha256sum` does.
pub(crate) fn write(args: &FilterArgs) -> Result<(), CliError> {
    let wasm = filter_wasm();
    std::fs::write(&args.out, wasm).map_err(|error| CliError::write(&args.out, &error))?;
    print(&format!("{}  {}\n", hex::encode(Sha256::digest(wasm)), args.out.display()))
}
