//! Recordings in JSON Lines: one [`Exchange`] a line, in UTF-8; empty lines are passed over.
//! Reads in constant memory. The JSON Schema is `schemas/exchange.schema.json`.
//!
//! `{"id":"1","source":"vote-bot","destination":"web",…}⏎` → `Exchange { id: "1", … }`

use std::io::BufRead;
use std::sync::Arc;

use super::lines::{Line, Lines};
use super::open::Settings;
use super::{Entry, Exchange, Place, Skip, SkipReason, TrafficError};

/// The most bytes that one line may have: 16 MiB.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// The exchanges of a recording, in its order. Ends after the first failure of the reader itself; goes
/// on after a line that is no exchange.
#[derive(Debug)]
pub struct JsonLines<R> {
    file: Arc<str>,
    lines: Lines<R>,
    ended: bool,
}

impl<R: BufRead> JsonLines<R> {
    /// Reads from `reader`, such as a file or `&[u8]`.
    pub fn new(reader: R) -> Self {
        Self { file: "".into(), lines: Lines::new(reader, MAX_LINE_BYTES), ended: false }
    }
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Result<Exchange, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let number = self.lines.number() + 1;
            let place = || Place::line(&self.file, number);
            match self.lines.next() {
                Ok(Line::Whole(line)) if line.trim_ascii().is_empty() => {}
                Ok(Line::Whole(line)) => return Some(parse(line, place)),
                Ok(Line::TooLong) => {
                    return Some(Err(TrafficError::LineTooLong { place: place(), limit: MAX_LINE_BYTES }));
                }
                Ok(Line::End) => self.ended = true,
                Err(source) => {
                    self.ended = true;
                    return Some(Err(TrafficError::Read { place: place(), source }));
                }
            }
        }
        None
    }
}

fn parse(line: &[u8], place: impl Fn() -> Place) -> Result<Exchange, TrafficError> {
    let exchange: Exchange = serde_json::from_slice(line).map_err(|error| {
        let (text, column) = (error.to_string(), error.column());
        // The parser counts lines within the one line that it was given.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned();
        TrafficError::Syntax { place: place(), column, message }
    })?;
    exchange.check().map_err(|source| TrafficError::Value { place: place(), source })?;
    Ok(exchange)
}

/// The same as entries: a line that is no exchange is skipped.
pub(super) struct Source<R>(JsonLines<R>);

impl<R: BufRead> Source<R> {
    pub(super) fn new(reader: R, settings: &Settings) -> Self {
        Self(JsonLines { file: Arc::clone(&settings.file), ..JsonLines::new(reader) })
    }
}

impl<R: BufRead> Iterator for Source<R> {
    type Item = Result<Entry, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (place, reason) = match self.0.next()? {
            Ok(exchange) => {
                return Some(Ok(Entry::Exchange { exchange: Box::new(exchange), notes: Vec::new() }));
            }
            Err(TrafficError::LineTooLong { place, limit }) => (place, SkipReason::TooLong(limit)),
            Err(TrafficError::Syntax { place, column, message }) => {
                (place, SkipReason::Unreadable(format!("column {column}: {message}")))
            }
            Err(TrafficError::Value { place, source }) => (place, SkipReason::OutOfRange(source)),
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Entry::Skipped(Skip { place, reason })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Emojivoto;

    const LINE: &str = r#"{"id":"1","parent":null,"source":"vote-bot","destination":"web","start":"2026-11-22T05:00:00.5Z","request":{"method":"GET","scheme":"http","authority":"web-svc.emojivoto:80","path":"/api/list","headers":[["x-b3-sampled","1"]],"body_bytes":0},"response":{"status":200,"headers":[["content-type","application/json"]],"body_bytes":812,"trailers":[]},"timing_us":{"request_end":40,"response_start":5200,"response_end":5300}}"#;

    fn errors(text: &str) -> Vec<String> {
        JsonLines::new(text.as_bytes()).filter_map(Result::err).map(|error| error.to_string()).collect()
    }

    #[test]
    fn a_line_gives_what_it_says_and_writes_back_the_same() {
        let text = format!("\n{LINE}\r\n  \n{LINE}");
        let exchanges: Vec<_> = JsonLines::new(text.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(exchanges.len(), 2);
        assert_eq!(exchanges[0].request.headers, [("x-b3-sampled".to_owned(), "1".into())]);
        assert_eq!(exchanges[0].start.as_microsecond(), 1_795_323_600_500_000);
        assert_eq!(serde_json::to_string(&exchanges[0]).unwrap(), LINE);
    }

    #[test]
    fn recordings_from_before_there_were_bodies_write_back_the_same() {
        for variant in [Emojivoto::B3, Emojivoto::W3c] {
            let lines = std::str::from_utf8(variant.recording()).unwrap().lines();
            for (exchange, line) in JsonLines::new(variant.recording()).zip(lines) {
                assert_eq!(serde_json::to_string(&exchange.unwrap()).unwrap(), line);
            }
        }
    }

    #[test]
    fn bodies_trailers_and_bytes_write_back_the_same() {
        let line = LINE
            .replace(r#"["x-b3-sampled","1"]"#, r#"["x-name",{"base64":"Y2Fm6Q=="}]"#)
            .replace(r#""body_bytes":0"#, r#""body_bytes":5,"body":[{"at_us":0,"text":"abc"},{"at_us":40,"base64":"/wA="}],"trailers":[["x-sum","1"]]"#)
            .replace(r#""body_bytes":812"#, r#""body_bytes":2,"body":[{"text":"ok"}]"#);
        let exchange = JsonLines::new(line.as_bytes()).next().unwrap().unwrap();
        assert_eq!(exchange.request.headers[0].1.as_bytes(), b"caf\xe9");
        assert_eq!(exchange.request.body.as_ref().unwrap()[1].data, b"\xff\0");
        assert_eq!(exchange.request.trailers[0].1, "1");
        assert_eq!(serde_json::to_string(&exchange).unwrap(), line);
    }

    #[test]
    fn a_bad_line_names_itself_what_was_found_and_what_is_allowed() {
        let rows = [
            (
                LINE.replace("\"GET\"", "\"G T\""),
                "request.method is \"G T\", expected a method",
                "space in method",
            ),
            (LINE.replace("\"GET\"", "\"\""), "request.method is \"\"", "no method"),
            (
                LINE.replace("\"http\"", "\"ftp\""),
                "request.scheme is \"ftp\", expected \"http\" or",
                "scheme",
            ),
            (LINE.replace(":200", ":199"), "response.status is 199, expected 200 to 599", "informational"),
            (LINE.replace(":200", ":600"), "response.status is 600, expected 200 to 599", "over range"),
            (LINE.replace(":200", ":\"200\""), "invalid type: string \"200\", expected u16", "wrong type"),
            (
                LINE.replace("\"parent\"", "\"mother\""),
                "unknown field `mother`, expected one of `id`",
                "unknown",
            ),
            (LINE.replace("\"id\":\"1\",", ""), "missing field `id`", "missing"),
            (LINE.replace("\"id\":\"1\"", "\"id\":\"\""), "id is empty, expected a name", "empty name"),
            (
                LINE.replace(":5300", ":5199"),
                "response_end is 5199, expected at least",
                "ends before it starts",
            ),
            (
                LINE.replace(":40", ":5201"),
                "response_start is 5200, expected at least",
                "answer before question",
            ),
            (LINE.replace("05:00:00.5Z", "25:00"), "hour", "no instant"),
            (LINE.replace("2026-", "1926-"), "start is 1926", "before the epoch"),
            (
                LINE.replace("x-b3-sampled", "x b3"),
                "request.headers is \"x b3\", expected header names",
                "header",
            ),
            ("{".to_owned(), "EOF while parsing", "cut off"),
            (
                LINE.replace(":0}", r#":4,"body":[{"text":"abc"}]}"#),
                "request.body_bytes is 4, expected the length of the body's chunks",
                "more bytes than the body has",
            ),
            (
                LINE.replace(":812", r#":812,"body":[]"#),
                "response.body_bytes is 812, expected the length",
                "a body without bytes",
            ),
            (
                LINE.replace(":0}", r#":1,"body":[{"at_us":41,"text":"a"}]}"#),
                "request.body.at_us is 41, expected not before the chunk before it, and within timing_us",
                "a chunk after the request's end",
            ),
            (
                LINE.replace(":812", r#":2,"body":[{"at_us":5300,"text":"a"},{"at_us":5299,"text":"b"}]"#),
                "response.body.at_us is 5299, expected not before",
                "chunks out of order",
            ),
            (
                LINE.replace(":0}", r#":0,"trailers":[["",""]]}"#),
                "request.trailers is \"\", expected header names",
                "a trailer without a name",
            ),
            (
                LINE.replace("[\"x-b3-sampled\",\"1\"]", "[\"a\",1]"),
                "expected a string or {\"base64\"",
                "a number",
            ),
        ];
        for (line, expected, reason) in rows {
            let found = errors(&format!("{LINE}\n{line}\n{LINE}"));
            assert_eq!(found.len(), 1, "{reason}: {found:?}");
            assert!(found[0].starts_with("line 2"), "{reason}: {}", found[0]);
            assert!(found[0].contains(expected), "{reason}: {}", found[0]);
        }
    }

    #[test]
    fn an_over_long_line_is_named_and_passed_over() {
        let text = format!("{}\n{LINE}", " ".repeat(MAX_LINE_BYTES + 1));
        let found = errors(&text);
        assert_eq!((found.len(), JsonLines::new(text.as_bytes()).count()), (1, 2));
        assert!(found[0].starts_with("line 1: longer than 16777216 bytes"), "{}", found[0]);
    }

    #[test]
    fn a_reader_that_fails_ends_the_recording() {
        struct Broken;
        impl std::io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("disk gone"))
            }
        }
        let mut lines = JsonLines::new(std::io::BufReader::new(Broken));
        assert_eq!(lines.next().unwrap().unwrap_err().to_string(), "line 1: cannot be read: disk gone");
        assert!(lines.next().is_none());
    }
}
