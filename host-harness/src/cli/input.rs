//! Files of spans to read: as they are or packed by gzip, or standard input.

use std::fs::File;
use std::io::{self, BufRead, stdin};
use std::path::Path;

use meshspan::gzip::unpacked;

/// What is in the file, unpacked; `-` is standard input.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    match path.to_str() {
        Some("-") => Ok(unpacked(stdin())?),
        _ => Ok(unpacked(File::open(path)?)?),
    }
}
