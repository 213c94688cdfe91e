//! A request's body, read and unpacked within bounds.

use std::io::Read;
use std::pin::pin;

use flate2::bufread::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};

use super::Refusal;
use super::budget::Share;

/// By how much the room for an unpacked body grows.
const STEP: usize = 64 << 10;

/// By how much a gzip is smaller than its content at most.
const MAX_RATIO: usize = 1_032;

/// All of a body, of at most `limit` bytes.
pub(super) async fn whole<B>(body: B, limit: usize, share: &mut Share<'_>) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let announced = body.size_hint();
    if announced.lower() > limit as u64 {
        return Err(Refusal::too_large(limit));
    }
    let mut body = pin!(body);
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Malformed(format!("the body ends early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        share.take(data.len())?;
        if first.len() + rest.len() + data.len() > limit {
            return Err(Refusal::too_large(limit));
        }
        if first.is_empty() && rest.is_empty() {
            // Most bodies come in one piece, which is not copied.
            first = data;
            continue;
        }
        if rest.is_empty() {
            let room = usize::try_from(announced.lower()).unwrap_or(0).max(first.len() + data.len());
            rest.reserve(room);
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.into() })
}

/// The content of a gzip, of at most `limit` bytes: a bomb costs no more than that.
pub(super) fn unpacked(packed: &[u8], limit: usize, share: &mut Share<'_>) -> Result<Bytes, Refusal> {
    let mut decoder = MultiGzDecoder::new(packed);
    // One byte more than announced shows that there are no more.
    let mut content = vec![0; announced(packed).min(limit) + 1];
    share.take(content.len())?;
    let mut length = 0;
    loop {
        if length == content.len() {
            share.take(STEP)?;
            content.resize(length + STEP, 0);
        }
        let room = content.get_mut(length..).unwrap_or_default();
        match decoder.read(room) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) => return Err(Refusal::Malformed(format!("the body is no gzip: {error}"))),
        }
        if length > limit {
            return Err(Refusal::too_large(limit));
        }
    }
    content.truncate(length);
    // It may be held for long, and what it was announced to be may be much more.
    content.shrink_to(length + length / 8);
    Ok(content.into())
}

/// The length that a gzip's last four bytes tell of its last part, as far as such a body can have it.
fn announced(packed: &[u8]) -> usize {
    let length = packed.last_chunk().map_or(0, |last| u32::from_le_bytes(*last));
    usize::try_from(length).unwrap_or(usize::MAX).min(packed.len().saturating_mul(MAX_RATIO))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;
    use crate::receive::budget::Budget;

    const LIMIT: usize = 100_000;

    /// A body that does not announce its length.
    struct Pieces(VecDeque<Result<&'static [u8], &'static str>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece?)))))
        }
    }

    fn pieces<const N: usize>(pieces: [&'static [u8]; N]) -> Pieces {
        Pieces(pieces.map(Ok).into())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn a_body_of_any_number_of_pieces_is_read() {
        let budget = Budget::new(1 << 20);
        let mut share = budget.share().unwrap();
        assert_eq!(whole(pieces([]), 6, &mut share).await.unwrap(), "");
        assert_eq!(whole(pieces([b"abc"]), 6, &mut share).await.unwrap(), "abc");
        assert_eq!(whole(pieces([b"", b"abc", b"", b"def"]), 6, &mut share).await.unwrap(), "abcdef");
        assert_eq!(whole(Full::from("abcdef"), 6, &mut share).await.unwrap(), "abcdef");
    }

    #[tokio::test]
    async fn a_body_without_end_or_with_too_late_an_end_is_refused() {
        let budget = Budget::new(1 << 20);
        let mut share = budget.share().unwrap();
        let error = whole(pieces([b"abc", b"def", b"g"]), 6, &mut share).await.unwrap_err();
        assert!(matches!(error, Refusal::TooLarge(_)), "{error}");
        let used = budget.used_bytes();
        let error = whole(Full::from("abcdefg"), 6, &mut share).await.unwrap_err();
        assert!(matches!(error, Refusal::TooLarge(_)), "{error}");
        assert_eq!(budget.used_bytes(), used, "nothing of one that announces its length was read");
        let broken = Pieces([Ok(&b"abc"[..]), Err("reset")].into());
        let error = whole(broken, 6, &mut share).await.unwrap_err();
        assert_eq!(error.to_string(), "the body ends early: reset");
        let small = Budget::new((16 << 10) + 5);
        let error = whole(pieces([b"abc", b"def"]), 6, &mut small.share().unwrap()).await.unwrap_err();
        assert!(matches!(error, Refusal::Busy), "{error}");
        assert_eq!(small.used_bytes(), 0);
    }

    #[test]
    fn a_gzip_is_unpacked_within_bounds() {
        let budget = Budget::new(1 << 20);
        let unpack = |packed: &[u8]| unpacked(packed, LIMIT, &mut budget.share().unwrap());
        let long = vec![b'x'; LIMIT];
        assert_eq!(unpack(&gzip(&long)).unwrap(), long);
        assert_eq!(unpack(&gzip(b"")).unwrap(), "");
        assert_eq!(unpack(&[gzip(b"ab"), gzip(b"c")].concat()).unwrap(), "abc", "two members");
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < LIMIT, "{}", bomb.len());
        assert!(matches!(unpack(&bomb), Err(Refusal::TooLarge(_))));
        let whole = gzip(&long);
        for (packed, reason) in [
            (&whole[..whole.len() - 9], "cut off"),
            (&whole[..5], "cut off in the head"),
            (&[][..], "empty"),
            (&b"hello"[..], "something else"),
        ] {
            assert!(matches!(unpack(packed), Err(Refusal::Malformed(_))), "{reason}");
        }
        let small = Budget::new(32 << 10);
        assert!(matches!(unpacked(&bomb, LIMIT, &mut small.share().unwrap()), Err(Refusal::Busy)));
        assert_eq!((budget.used_bytes(), small.used_bytes()), (0, 0));
    }
}
