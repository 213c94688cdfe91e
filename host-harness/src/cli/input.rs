//! Files of spans to read: as they are or packed by gzip, or standard input.

use std::fs::File;
use std::io::{self, Cursor, Read, stdin};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// How a file that gzip packed begins.
const GZIP: &[u8] = b"\x1f\x8b";

/// What is in the file, unpacked; `-` is standard input.
///
/// # Errors
/// Whatever the system says.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(stdin()),
        _ => Box::new(File::open(path)?),
    };
    let mut head = Vec::new();
    (&mut input).take(GZIP.len() as u64).read_to_end(&mut head)?;
    let is_packed = head == GZIP;
    let whole = Cursor::new(head).chain(input);
    Ok(if is_packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}
