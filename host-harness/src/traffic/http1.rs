//! HTTP/1 messages as they were on the wire, each whole in memory.
//! Spec: RFC 9112
//!
//! `POST / HTTP/1.1␍␊host: web␍␊transfer-encoding: chunked␍␊␍␊2␍␊hi␍␊0␍␊␍␊` → a draft with the chunk `hi`

use httparse::{EMPTY_HEADER, Header, Status};

use super::draft::{Body, Draft, Message, header, pair};
use super::{Chunk, Headers, SkipReason};

/// The most headers that one message may have.
const MAX_HEADERS: usize = 256;

/// Reads a request.
pub(super) fn request(bytes: &[u8]) -> Result<Draft, SkipReason> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Status::Complete(length) = request.parse(bytes).map_err(|error| unreadable(&error))? else {
        return Err(SkipReason::Unreadable("the request's head is not whole".to_owned()));
    };
    let mut draft = Draft { method: request.method.map(str::to_owned), ..Draft::default() };
    let target = request.path.unwrap_or_default();
    match super::authority::split_url(target) {
        // A request to a forward proxy.
        Ok(parts) => {
            (draft.scheme, draft.authority) =
                (Some(parts.scheme.to_owned()), Some(parts.authority.to_owned()));
            draft.path = Some(parts.path);
        }
        Err(_) => draft.path = Some(target.to_owned()),
    }
    draft.request = message(request.headers, bytes.get(length..).unwrap_or_default(), Size::Nothing)?;
    Ok(draft)
}

/// Reads a response into the draft of its request.
pub(super) fn response(mut bytes: &[u8], draft: &mut Draft) -> Result<(), SkipReason> {
    loop {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let Status::Complete(length) = response.parse(bytes).map_err(|error| unreadable(&error))? else {
            return Err(SkipReason::Unreadable("the response's head is not whole".to_owned()));
        };
        bytes = bytes.get(length..).unwrap_or_default();
        // Behind an informational response stands the one that counts.
        if !matches!(response.code, Some(100 | 102 | 103)) {
            draft.response = message(response.headers, bytes, Size::UntilTheEnd)?;
            draft.status = response.code;
            return Ok(());
        }
    }
}

/// How long a body is of which the head says nothing.
enum Size {
    Nothing,
    UntilTheEnd,
}

fn message(headers: &[Header<'_>], rest: &[u8], default: Size) -> Result<Message, SkipReason> {
    let headers: Headers = headers.iter().map(|header| pair(header.name, header.value)).collect();
    let is_chunked = header(&headers, "transfer-encoding").is_some_and(|codings| {
        codings.rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"))
    });
    if is_chunked {
        let (body, trailers) = chunked(rest)?;
        return Ok(Message { headers, body, trailers });
    }
    let length = header(&headers, "content-length").and_then(|length| length.trim().parse::<usize>().ok());
    let body = match (length, default) {
        (Some(length), _) => match rest.get(..length) {
            Some(body) => Body::of(body),
            None => Body::CutOff(rest.len() as u64),
        },
        (None, Size::UntilTheEnd) => Body::of(rest),
        (None, Size::Nothing) => Body::Size(0),
    };
    Ok(Message { headers, body, trailers: Headers::new() })
}

/// A body in chunks, and the trailers behind it.
fn chunked(mut rest: &[u8]) -> Result<(Body, Headers), SkipReason> {
    let mut chunks: Vec<Chunk> = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(rest);
        let size = size.map_err(|_| SkipReason::Unreadable("a chunk's size is no number".to_owned()))?;
        let Status::Complete((head, size)) = size else { return Ok((cut_off(&chunks), Headers::new())) };
        rest = rest.get(head..).unwrap_or_default();
        if size == 0 {
            let mut headers = [EMPTY_HEADER; MAX_HEADERS];
            let trailers = match httparse::parse_headers(rest, &mut headers) {
                Ok(Status::Complete((_, trailers))) => {
                    trailers.iter().map(|field| pair(field.name, field.value)).collect()
                }
                _ => Headers::new(),
            };
            let body = if chunks.is_empty() { Body::Size(0) } else { Body::Whole(chunks) };
            return Ok((body, trailers));
        }
        let data = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
        let Some((data, after)) = data else { return Ok((cut_off(&chunks), Headers::new())) };
        chunks.push(Chunk::new(data));
        rest = after.strip_prefix(b"\r\n").unwrap_or(after);
    }
}

fn cut_off(chunks: &[Chunk]) -> Body {
    Body::CutOff(super::draft::length(chunks))
}

fn unreadable(error: &httparse::Error) -> SkipReason {
    SkipReason::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(body: &Body) -> (String, u64) {
        match body {
            Body::Whole(chunks) => {
                let texts = chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.data).into_owned());
                (texts.collect::<Vec<_>>().join("|"), super::super::draft::length(chunks))
            }
            Body::Size(size) => ("<size>".to_owned(), *size),
            Body::CutOff(size) => ("<cut off>".to_owned(), *size),
            Body::Unknown => ("<unknown>".to_owned(), 0),
        }
    }

    #[test]
    fn bodies_are_framed_as_their_heads_say() {
        for (text, expected, reason) in [
            ("POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi", ("hi", 2), "a length"),
            ("POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi!\n", ("hi", 2), "more than the length"),
            ("POST /a HTTP/1.1\r\ncontent-length: 9\r\n\r\nhi", ("<cut off>", 2), "less than the length"),
            ("GET /a HTTP/1.1\r\n\r\nhi", ("<size>", 0), "no length in a request"),
            (
                "POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2;x=y\r\nhi\r\n1\r\n!\r\n0\r\nx-sum: 1\r\n\r\n",
                ("hi|!", 3),
                "chunks",
            ),
            (
                "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n5\r\nab",
                ("<cut off>", 2),
                "half a chunk",
            ),
            ("POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", ("<size>", 0), "no chunks"),
        ] {
            let draft = request(text.as_bytes()).unwrap();
            assert_eq!(body(&draft.request.body), (expected.0.to_owned(), expected.1), "{reason}");
            let has_trailers = reason == "chunks";
            assert_eq!(draft.request.trailers.len(), usize::from(has_trailers), "{reason}");
        }
        let mut draft = Draft::default();
        let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000);
        let text = format!("{many}HTTP/1.1 200 OK\r\n\r\nto the end");
        response(text.as_bytes(), &mut draft).unwrap();
        assert_eq!((draft.status, body(&draft.response.body).0.as_str()), (Some(200), "to the end"));
    }

    #[test]
    fn broken_messages_say_why() {
        for (text, expected) in [
            ("GET /a", "unreadable: the request's head is not whole"),
            ("GET /a HTTP/9\r\n\r\n", "unreadable: invalid HTTP version"),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
                "unreadable: a chunk's size is no number",
            ),
        ] {
            assert_eq!(request(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(start in 0_usize..4, bytes: Vec<u8>) {
            let head = ["", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n"][start];
            let text = [head.as_bytes(), &bytes].concat();
            let _ = request(&text);
            let _ = response(&text, &mut Draft::default());
        }
    }
}
