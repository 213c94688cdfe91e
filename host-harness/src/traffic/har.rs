//! HAR 1.2 as browsers and proxies really write it: fields missing, `null`, -1 or of the wrong type,
//! HTTP/2's pseudo-headers among the headers, values of one header joined by newlines. One entry of
//! `log.entries` is in memory at a time; its pages, caches and `_` fields play no part but for those
//! that say that an answer never was on the wire.
//! Spec: <http://www.softwareishard.com/blog/har-12-spec/>
//!
//! `{"startedDateTime":"2026-11-22T05:00:00.120Z","request":{"method":"GET","url":"https://web/",…},…}`
//!
//! An exchange starts when its connection is there: after `blocked`, `dns` and `connect`.

mod timings;

use std::io::{self, BufRead};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::authority::split_url;
use super::draft::{Body, Draft, Message, header, pair};
use super::open::Settings;
use super::values::{Found, Values};
use super::{Entry, Headers, Note, Place, Skip, SkipReason, TrafficError};

/// The most bytes that one entry may have: 64 MiB.
const MAX_ENTRY_BYTES: usize = 64 << 20;

/// The entries of a HAR file.
pub(super) struct Har<R> {
    values: Values<R>,
    settings: Settings,
    number: u64,
    has_failed: bool,
}

impl<R: BufRead> Har<R> {
    /// # Errors
    /// The document has no array `log.entries`, or cannot be read up to there.
    pub(super) fn new(reader: R, settings: Settings) -> Result<Self, TrafficError> {
        let file = || settings.file.to_string();
        let values = Values::elements(reader, &["log", "entries"], MAX_ENTRY_BYTES)
            .map_err(|source| TrafficError::Open { file: file(), source })?;
        let values = values.ok_or_else(|| TrafficError::Structure {
            file: file(),
            found: "no array \"log\".\"entries\" was found".to_owned(),
            allowed: "a HAR document, such as {\"log\":{\"entries\":[…]}}",
        })?;
        Ok(Self { values, settings, number: 0, has_failed: false })
    }

    fn read(&mut self) -> io::Result<Option<Entry>> {
        self.values.skip_space()?;
        self.number += 1;
        let place = Place::entry(&self.settings.file, self.number, self.values.byte());
        let reason = match self.values.next()? {
            Found::End => return Ok(None),
            Found::TooLong => SkipReason::TooLong(MAX_ENTRY_BYTES),
            Found::Wrong(what) => SkipReason::Unreadable(what.to_owned()),
            Found::Value(bytes) => match draft(bytes) {
                Ok(draft) => return Ok(Some(draft.entry(self.number, place, &self.settings))),
                Err(reason) => reason,
            },
        };
        Ok(Some(Entry::Skipped(Skip { place, reason })))
    }
}

impl<R: BufRead> Iterator for Har<R> {
    type Item = Result<Entry, TrafficError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        self.read().transpose().map(|entry| {
            entry.map_err(|source| {
                self.has_failed = true;
                let place = Place::entry(&self.settings.file, self.number, self.values.byte());
                TrafficError::Read { place, source }
            })
        })
    }
}

fn draft(bytes: &[u8]) -> Result<Draft, SkipReason> {
    let entry: Value =
        serde_json::from_slice(bytes).map_err(|error| SkipReason::Unreadable(error.to_string()))?;
    let (request, response) = (at(&entry, "request"), at(&entry, "response"));
    let url = text(at(request, "url")).ok_or(SkipReason::Incomplete("request.url"))?;
    let target = split_url(url)?;
    check_was_sent(&entry)?;
    let (mut notes, response_headers) = (Vec::new(), headers(at(response, "headers")));
    let sent_headers = headers(at(request, "headers"));
    let response = response_message(response, response_headers, &mut notes)?;
    let times = timings::of(&entry);
    Ok(Draft {
        start: times.start,
        method: text(at(request, "method")).map(str::to_ascii_uppercase),
        scheme: Some(target.scheme.to_owned()),
        authority: Some(target.authority.to_owned()),
        path: Some(target.path),
        status: number(at(at(&entry, "response"), "status")).and_then(|status| u16::try_from(status).ok()),
        request: Message {
            body: request_body(request, &sent_headers),
            headers: sent_headers,
            trailers: Headers::new(),
        },
        response,
        request_end: times.request_end,
        response_start: times.response_start,
        response_end: times.response_end,
        notes,
        ..Draft::default()
    })
}

/// Chrome and Firefox record what they took from their caches, blocked, or never got an answer to.
fn check_was_sent(entry: &Value) -> Result<(), SkipReason> {
    let response = at(entry, "response");
    let status = number(at(response, "status"));
    if text(at(entry, "_resourceType")) == Some("websocket") || at(entry, "_webSocketMessages").is_array() {
        return Err(SkipReason::NotHttp("a WebSocket".to_owned()));
    }
    if let Some(cache) = text(at(entry, "_fromCache")) {
        return Err(SkipReason::NotHttp(format!("answered by the browser's {cache} cache")));
    }
    // Playwright takes what was not transferred from nothing.
    let is_below_unknown = at(response, "bodySize").as_i64().is_some_and(|size| size < -1);
    if is_below_unknown && number(at(response, "_transferSize")) == Some(0) {
        return Err(SkipReason::NotHttp("answered by the browser's cache".to_owned()));
    }
    if status.is_none_or(|status| status == 0) {
        let said = [at(response, "_error"), at(entry, "_error"), at(response, "_failureText")];
        let error = said.into_iter().find_map(text);
        return Err(SkipReason::NoResponse(error.unwrap_or("its status is 0 or missing").to_owned()));
    }
    Ok(())
}

/// Chrome joins the values of headers that may be there several times with newlines.
fn headers(list: &Value) -> Headers {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let pairs =
        list.iter().filter_map(|header| Some((text(at(header, "name"))?, text(at(header, "value"))?)));
    pairs
        .flat_map(|(name, value)| {
            value.split('\n').map(move |value| pair(name, value.trim_end_matches('\r')))
        })
        .collect()
}

fn request_body(request: &Value, headers: &Headers) -> Body {
    let data = at(request, "postData");
    let size = number(at(request, "bodySize"));
    match (text(at(data, "text")), size) {
        (Some(text), _) if is_one_byte_a_sign(text, headers) => {
            Body::of(text.chars().filter_map(|sign| u8::try_from(sign).ok()).collect::<Vec<u8>>())
        }
        (Some(text), _) if !text.is_empty() => match decoded(text, at(data, "encoding")) {
            Some(bytes) => Body::of(bytes),
            None => size.map_or(Body::Unknown, Body::Size),
        },
        (_, Some(size)) => Body::Size(size),
        (_, None) => Body::Unknown,
    }
}

/// Chrome writes bytes that are no UTF-8 as one sign each, and a size of what it wrote; the length that it sent tells.
fn is_one_byte_a_sign(text: &str, headers: &Headers) -> bool {
    let sent: Option<usize> = header(headers, "content-length").and_then(|length| length.parse().ok());
    sent.is_some_and(|sent| sent != text.len() && sent == text.chars().count())
        && text.chars().all(|sign| u8::try_from(sign).is_ok())
}

/// A browser shows the body without its encoding: headers that speak of the encoded one are left out.
fn response_message(
    response: &Value,
    mut headers: Headers,
    notes: &mut Vec<Note>,
) -> Result<Message, SkipReason> {
    let content = at(response, "content");
    let trailers = Headers::new();
    let body = match text(at(content, "text")) {
        Some(text) if !text.is_empty() => {
            let bytes = decoded(text, at(content, "encoding"))
                .ok_or_else(|| SkipReason::Unreadable("response.content.text is no base64".to_owned()))?;
            if header(&headers, "content-encoding").is_some_and(|coding| coding != "identity") {
                let about_encoded = ["content-encoding", "content-length"];
                headers
                    .retain(|(name, _)| !about_encoded.iter().any(|known| name.eq_ignore_ascii_case(known)));
                notes.push(Note::BodyDecoded);
            }
            Body::of(bytes)
        }
        _ => {
            let size = header(&headers, "content-length").and_then(|length| length.parse().ok());
            // What was transferred has the head in it: it is the last that says anything of the body.
            let told = [at(response, "bodySize"), at(content, "size"), at(response, "_transferSize")];
            let size = size.or_else(|| told.into_iter().find_map(number));
            if size.is_some_and(|size| size > 0) {
                notes.push(Note::BodyLeftOut);
            }
            size.map_or(Body::Unknown, Body::Size)
        }
    };
    Ok(Message { headers, body, trailers })
}

fn decoded(text: &str, encoding: &Value) -> Option<Vec<u8>> {
    if encoding.as_str().is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64")) {
        return STANDARD.decode(text.trim()).ok();
    }
    Some(text.as_bytes().to_owned())
}

/// What stands at `key`; null if nothing does.
fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// A number of bytes or a status, which may be written as text; -1 means unknown.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => {
            value.as_u64().or_else(|| value.as_f64().filter(|value| *value >= 0.0).map(|value| value as u64))
        }
    }
}

#[cfg(test)]
mod tests;
