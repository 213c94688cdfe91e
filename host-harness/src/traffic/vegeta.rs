//! vegeta's targets: requests without answers, as JSON Lines or in the format `http`. They have no
//! instants: requests follow each other by 10 ms, and each is answered with 200 after 1 ms.
//! Spec: <https://github.com/tsenart/vegeta#-format>
//!
//! `{"method":"POST","url":"http://web/vote","header":{"Accept":["*/*"]},"body":"eyJ9"}`
//!
//! ```text
//! POST http://web/vote
//! Accept: */*
//! ```
//! A body from a file (`@/path`) is not read: what a recording names is not opened.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::authority::split_url;
use super::draft::{Body, Draft, Message, pair};
use super::each::{Cut, Each, Found};
use super::lines::{Line, Lines};
use super::open::Settings;
use super::{Headers, Note, SkipReason};

/// The most bytes that one line may have: 16 MiB.
pub(super) const MAX_LINE_BYTES: usize = 16 << 20;
/// The most lines that one target may have.
const MAX_TARGET_LINES: usize = 1_000;

/// A target as JSON.
#[derive(Deserialize)]
struct Target {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    header: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: Option<String>,
}

/// Reads one line of JSON.
pub(super) fn parse_json(line: &[u8]) -> Result<Draft, SkipReason> {
    let unreadable = |error: &dyn ToString| SkipReason::Unreadable(error.to_string());
    let target: Target = serde_json::from_slice(line).map_err(|error| unreadable(&error))?;
    let headers = target.header.unwrap_or_default().into_iter();
    let headers =
        headers.flat_map(|(name, values)| values.into_iter().map(move |value| pair(name.as_str(), value)));
    let body = STANDARD.decode(target.body.unwrap_or_default()).map_err(|error| unreadable(&error))?;
    let url = target.url.ok_or(SkipReason::Incomplete("url"))?;
    draft(target.method.ok_or(SkipReason::Incomplete("method"))?, &url, headers.collect(), Body::of(body))
}

fn draft(method: String, url: &str, headers: Headers, body: Body) -> Result<Draft, SkipReason> {
    let target = split_url(url)?;
    let mut draft = Draft {
        method: Some(method),
        scheme: Some(target.scheme.to_owned()),
        authority: Some(target.authority.to_owned()),
        path: Some(target.path),
        request: Message { headers, body, trailers: Headers::new() },
        ..Draft::default()
    };
    draft.assume_response();
    Ok(draft)
}

/// Cuts a file in the format `http` into its targets.
#[derive(Default)]
pub(super) struct Http {
    /// The first line of the next target, if the one before it ended there.
    ahead: Option<(u64, Vec<u8>)>,
}

/// The targets of a file in the format `http`.
pub(super) fn http<R: BufRead>(reader: R, settings: Settings) -> Each<R, Http> {
    Each::new(Lines::new(reader, MAX_LINE_BYTES), Http::default(), settings)
}

impl<R: BufRead> Cut<R> for Http {
    fn next(&mut self, lines: &mut Lines<R>) -> io::Result<Option<Found>> {
        let Some((line, first)) = self.first_line(lines)? else { return Ok(None) };
        let mut rest = Vec::new();
        loop {
            let number = lines.number() + 1;
            match lines.next()? {
                Line::Whole(bytes) if is_request_line(bytes) => {
                    self.ahead = Some((number, bytes.to_owned()));
                    break;
                }
                Line::Whole(bytes) if !bytes.trim_ascii().is_empty() => {
                    // What is beyond the bound is counted by its absence: see `parse_http`.
                    if rest.len() <= MAX_TARGET_LINES {
                        rest.push(bytes.to_owned());
                    }
                }
                Line::Whole(_) | Line::End => break,
                Line::TooLong => rest.push(b"\0".to_vec()),
            }
        }
        Ok(Some((line, parse_http(&first, &rest))))
    }
}

impl Http {
    /// The next line that is neither empty nor a comment.
    fn first_line<R: BufRead>(&mut self, lines: &mut Lines<R>) -> io::Result<Option<(u64, Vec<u8>)>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        loop {
            let number = lines.number() + 1;
            match lines.next()? {
                Line::End => return Ok(None),
                Line::TooLong => return Ok(Some((number, b"\0".to_vec()))),
                Line::Whole(line) if line.trim_ascii().is_empty() || line.starts_with(b"#") => {}
                Line::Whole(line) => return Ok(Some((number, line.to_owned()))),
            }
        }
    }
}

/// Whether a line is `METHOD URL`.
pub(super) fn is_request_line(line: &[u8]) -> bool {
    let Some(space) = line.iter().position(|&byte| byte == b' ') else { return false };
    let (method, url) = line.split_at(space);
    let url = url.trim_ascii();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && (url.starts_with(b"http://") || url.starts_with(b"https://"))
}

fn parse_http(first: &[u8], rest: &[Vec<u8>]) -> Result<Draft, SkipReason> {
    if first.starts_with(b"\0") || rest.iter().any(|line| line.starts_with(b"\0")) {
        return Err(SkipReason::TooLong(MAX_LINE_BYTES));
    }
    if rest.len() > MAX_TARGET_LINES {
        return Err(SkipReason::Unreadable(format!("a target of more than {MAX_TARGET_LINES} lines")));
    }
    let first = std::str::from_utf8(first).map_err(|error| SkipReason::Unreadable(error.to_string()))?;
    let (method, url) = first.trim().split_once(' ').ok_or_else(|| {
        SkipReason::Unreadable(format!(
            "{:?} is no method and URL",
            first.chars().take(40).collect::<String>()
        ))
    })?;
    let (mut headers, mut body, mut notes) = (Headers::new(), Body::Size(0), Vec::new());
    for line in rest.iter().filter(|line| !line.starts_with(b"#")) {
        if line.starts_with(b"@") {
            body = Body::Unknown;
            notes.push(Note::BodyLeftOut);
            continue;
        }
        let colon = line.iter().position(|&byte| byte == b':').filter(|colon| *colon > 0);
        let colon = colon.ok_or_else(|| SkipReason::Unreadable("a header without a colon".to_owned()))?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        headers.push(pair(String::from_utf8_lossy(name).trim(), value));
    }
    let mut draft = draft(method.to_owned(), url.trim(), headers, body)?;
    draft.notes.extend(notes);
    Ok(draft)
}

#[cfg(test)]
mod tests;
