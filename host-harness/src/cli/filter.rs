//! `meshspan filter`: the wasm that this program carries, as a file.

use std::io::Write;

use meshspan::filter_wasm;
use sha2::{Digest, Sha256};

use super::{
    args::FilterArgs,
    error::CliError,
    print,
    save::{self, Content, Lines, Named},
};

/// Writes the filter, and prints its SHA-256 as `sha256sum` does.
pub(crate) fn write(args: &FilterArgs) -> Result<(), CliError> {
    let wasm = filter_wasm();
    let mut file = save::open(Named { flag: "--out", path: &args.out }, Content::Wasm, Lines::Go)?;
    file.write_all(wasm).map_err(|error| CliError::write(&args.out, &error))?;
    print(&format!("{}  {}\n", hex::encode(Sha256::digest(wasm)), args.out.display()))
}
