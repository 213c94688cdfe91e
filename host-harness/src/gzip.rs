//! What gzip packs: bodies of OTLP, for whoever sends them, the exporter, and the proxy for its filter; and files of
//! any kind, which tell by how they begin.
//! Spec: <https://www.rfc-editor.org/rfc/rfc1952>, and of messages
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>

use std::io::{self, BufRead, BufReader, Cursor, Read, Write};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};

/// How all that gzip packed begins.
const START: &[u8] = b"\x1f\x8b";

/// How much is read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Encoded spans get as small with it as with the usual level 6, in a third of the time.
const LEVEL: u32 = 3;

/// Encoded spans have at most about this part of their size.
const USUAL_RATIO: usize = 8;

/// Before a packed message of gRPC: a flag, and four bytes of length.
const PREFIX: [u8; 5] = [1, 0, 0, 0, 0];

/// `content` packed.
pub(crate) fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    behind(&[], content)
}

/// `message` packed, with its prefix.
pub(crate) fn grpc_message(message: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = behind(&PREFIX, message)?;
    let length = u32::try_from(packed.len() - PREFIX.len()).map_err(io::Error::other)?;
    if let Some(place) = packed.get_mut(1..PREFIX.len()) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(packed)
}

/// `content` packed, behind `head`.
fn behind(head: &[u8], content: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(head.len() + content.len() / USUAL_RATIO + 64);
    packed.extend_from_slice(head);
    let mut encoder = GzEncoder::new(packed, Compression::new(LEVEL));
    encoder.write_all(content)?;
    encoder.finish()
}

/// Whether gzip packed what begins so.
pub(crate) fn is_packed(head: &[u8]) -> bool {
    head.starts_with(START)
}

/// All that `input` has: unpacked, if gzip packed it.
///
/// # Errors
/// Its first bytes cannot be read. One that is damaged says so where it is read.
pub fn unpacked<'a>(mut input: impl Read + Send + 'a) -> io::Result<Box<dyn BufRead + Send + 'a>> {
    let mut head = Vec::new();
    (&mut input).take(START.len() as u64).read_to_end(&mut head)?;
    let is_packed = is_packed(&head);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(input));
    Ok(match is_packed {
        true => Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole))),
        false => Box::new(whole),
    })
}

/// The content of a gzip, if it has at most `limit` bytes.
///
/// # Errors
/// It is damaged, or no gzip.
pub(crate) fn content(packed: &[u8], limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    MultiGzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut content)?;
    Ok((content.len() <= limit).then_some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte at a time, as a pipe may give it.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let length = into.len().min(1);
            self.0.read(&mut into[..length])
        }
    }

    #[test]
    fn a_file_is_read_packed_or_not() {
        let packed = gzip(b"hello").unwrap();
        for (file, expected, reason) in [
            (&b"hello"[..], "hello", "as it is"),
            (&packed, "hello", "packed"),
            (&[&packed[..], &packed].concat(), "hellohello", "in two members"),
            (b"h", "h", "shorter than what would tell"),
            (b"", "", "empty"),
            (b"\x1f", "\x1f", "the start alone"),
        ] {
            let mut text = String::new();
            unpacked(Slow(file)).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, expected, "{reason}");
        }
        let cut = unpacked(&packed[..12]).unwrap().read_to_end(&mut Vec::new());
        assert!(cut.is_err(), "cut off");
    }

    #[test]
    fn content_is_bounded() {
        let packed = gzip(b"hello").unwrap();
        assert_eq!(content(&packed, 5).unwrap().unwrap(), b"hello");
        assert_eq!(content(&packed, 4).unwrap(), None);
        assert!(content(b"hello", 5).is_err(), "no gzip");
        assert!(content(&packed[..12], 5).is_err(), "cut off");
    }
}
