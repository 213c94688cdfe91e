//! An exchange as foreign formats know it: in parts, of which some may be missing or contradict each
//! other. [`Draft::finish`] makes an [`Exchange`] of it, or says what it lacks.
//!
//! Foreign formats know no topology. The source is named `client`, the destination after the
//! authority's host in lower case, without its port: `Web.Shop:8080` → `web.shop`; options name both
//! otherwise.

use super::authority::host_of;
use super::open::Settings;
use super::{
    Chunk, Entry, Exchange, HeaderValue, Headers, Note, Place, Request, Response, Skip, SkipReason, Timing,
};

/// After how many microseconds an answer comes that was not recorded.
const ASSUMED_LATENCY_US: u64 = 1_000;
/// How many microseconds lie between requests whose instants were not recorded.
const ASSUMED_INTERVAL_US: u64 = 10_000;

/// The source of requests where the format does not say who sent them.
pub const DEFAULT_SOURCE: &str = "client";

/// What is known of an exchange.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) source: Option<String>,
    pub(super) destination: Option<String>,
    pub(super) start: Option<jiff::Timestamp>,
    pub(super) method: Option<String>,
    pub(super) scheme: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) path: Option<String>,
    pub(super) request: Message,
    pub(super) status: Option<u16>,
    pub(super) response: Message,
    /// Microseconds after the start; each is taken as not before the one above it.
    pub(super) request_end: Option<u64>,
    pub(super) response_start: Option<u64>,
    pub(super) response_end: Option<u64>,
    pub(super) notes: Vec<Note>,
}

/// What both sides may have.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) headers: Headers,
    pub(super) body: Body,
    pub(super) trailers: Headers,
}

/// What is known of a body.
#[derive(Debug, Default)]
pub(super) enum Body {
    /// Nothing but what `content-length` says.
    #[default]
    Unknown,
    /// How long it was.
    Size(u64),
    /// All of it.
    Whole(Vec<Chunk>),
    /// Its beginning, this long: the recorder cut it off.
    CutOff(u64),
}

impl Draft {
    /// The exchange with this number in its file, or what it lacks.
    pub(super) fn finish(
        mut self,
        number: u64,
        settings: &Settings,
    ) -> Result<(Exchange, Vec<Note>), SkipReason> {
        self.take_pseudo_headers();
        let status = self.checked_status()?;
        let method = self.method.ok_or(SkipReason::Incomplete("method"))?;
        let authority = self.authority.ok_or(SkipReason::Incomplete("authority"))?;
        let path = self.path.filter(|path| !path.is_empty()).ok_or(SkipReason::Incomplete("path"))?;
        let timing_us = ordered([self.request_end, self.response_start, self.response_end]);
        if method == "HEAD" || matches!(status, 204 | 304) {
            self.response.body = Body::Size(0);
            self.notes.retain(|note| !matches!(note, Note::BodyLeftOut | Note::BodyCutOff));
        }
        let (body_bytes, body, note) = self.request.body.finish(&self.request.headers);
        self.notes.extend(note);
        let headers = self.request.headers;
        let scheme = self.scheme.unwrap_or_else(|| "http".to_owned()).to_ascii_lowercase();
        let destination = settings.destination.clone().or(self.destination);
        let destination = destination.unwrap_or_else(|| host_of(&authority).to_ascii_lowercase());
        let trailers = self.request.trailers;
        let request = Request { method, scheme, authority, path, headers, body_bytes, body, trailers };
        let (body_bytes, body, note) = self.response.body.finish(&self.response.headers);
        self.notes.extend(note);
        let Message { headers, trailers, .. } = self.response;
        let mut exchange = Exchange {
            id: format!("{}{number}", settings.id_prefix),
            parent: None,
            source: settings.source.clone().or(self.source).unwrap_or_else(|| DEFAULT_SOURCE.to_owned()),
            destination,
            start: self.start.unwrap_or_else(|| assumed_start(number)),
            request,
            response: Response { status, headers, body_bytes, body, trailers },
            timing_us,
        };
        if self.start.is_none() {
            self.notes.push(Note::StartAssumed);
        }
        fit_chunks(&mut exchange);
        exchange.check()?;
        Ok((exchange, self.notes))
    }

    /// As [`finish`](Self::finish), as an entry.
    pub(super) fn entry(self, number: u64, place: Place, settings: &Settings) -> Entry {
        match self.finish(number, settings) {
            Ok((exchange, notes)) => Entry::Exchange { exchange: Box::new(exchange), notes },
            Err(reason) => Entry::Skipped(Skip { place, reason }),
        }
    }

    /// What stands for an answer that was not recorded.
    pub(super) fn assume_response(&mut self) {
        self.status = Some(200);
        self.response.body = Body::Size(0);
        let answered = self.request_end.unwrap_or_default() + ASSUMED_LATENCY_US;
        (self.response_start, self.response_end) = (Some(answered), Some(answered));
        self.notes.push(Note::ResponseAssumed);
    }

    /// Moves HTTP/2's pseudo-headers, and HTTP/1's `host`, to where they belong.
    fn take_pseudo_headers(&mut self) {
        let mut host = None;
        self.request.headers.retain(|(name, value)| {
            let text = || Some(value.to_str_lossy().into_owned());
            let place = match name.to_ascii_lowercase().as_str() {
                ":method" => &mut self.method,
                ":scheme" => &mut self.scheme,
                ":authority" => &mut self.authority,
                ":path" => &mut self.path,
                "host" => &mut host,
                name => return !name.starts_with(':'),
            };
            *place = place.take().or_else(text);
            false
        });
        self.authority = self.authority.take().or(host).filter(|authority| !authority.is_empty());
        self.response.headers.retain(|(name, value)| {
            if name == ":status" && self.status.is_none() {
                self.status = value.to_str().and_then(|status| status.parse().ok());
            }
            !name.starts_with(':')
        });
    }

    fn checked_status(&self) -> Result<u16, SkipReason> {
        match self.status {
            None | Some(0) => Err(SkipReason::NoResponse("its status is missing".to_owned())),
            Some(101) => Err(SkipReason::NotHttp("an upgrade, such as to WebSocket".to_owned())),
            Some(status) => Ok(status),
        }
    }
}

impl Body {
    /// A body in one piece, without an instant.
    pub(super) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Size(0) } else { Self::Whole(vec![Chunk::new(bytes)]) }
    }

    /// Its size, itself, and what is to be said of it.
    fn finish(self, headers: &Headers) -> (u64, Option<Vec<Chunk>>, Option<Note>) {
        let said = content_length(headers);
        match self {
            Self::Unknown => (said.unwrap_or(0), None, None),
            Self::Size(size) => (size, None, None),
            Self::Whole(chunks) => (length(&chunks), Some(chunks).filter(|chunks| !chunks.is_empty()), None),
            Self::CutOff(size) => (size.max(said.unwrap_or(0)), None, Some(Note::BodyCutOff)),
        }
    }
}

/// The bytes of all chunks together.
pub(super) fn length(chunks: &[Chunk]) -> u64 {
    chunks.iter().map(|chunk| chunk.data.len() as u64).sum()
}

/// The first value of a header, if it is text.
pub(super) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.to_str())
}

fn content_length(headers: &Headers) -> Option<u64> {
    header(headers, "content-length")?.trim().parse().ok()
}

/// A pair as formats write them.
pub(super) fn pair(name: impl Into<String>, value: impl Into<HeaderValue>) -> (String, HeaderValue) {
    (name.into(), value.into())
}

fn ordered([request_end, response_start, response_end]: [Option<u64>; 3]) -> Timing {
    let last = response_end.or(response_start).or(request_end).unwrap_or(0);
    let response_start = response_start.unwrap_or(last);
    let request_end = request_end.unwrap_or(0);
    let response_start = response_start.max(request_end);
    Timing { request_end, response_start, response_end: last.max(response_start) }
}

/// Instants of chunks that lie before the chunk before them or outside of their message are moved.
fn fit_chunks(exchange: &mut Exchange) {
    let Timing { request_end, response_start, response_end } = exchange.timing_us;
    let sides = [
        (&mut exchange.request.body, 0, request_end),
        (&mut exchange.response.body, response_start, response_end),
    ];
    for (body, mut earliest, latest) in sides {
        for at_us in body.iter_mut().flatten().filter_map(|chunk| chunk.at_us.as_mut()) {
            *at_us = (*at_us).clamp(earliest, latest);
            earliest = *at_us;
        }
    }
}

fn assumed_start(number: u64) -> jiff::Timestamp {
    let micros = i64::try_from(number.saturating_sub(1).saturating_mul(ASSUMED_INTERVAL_US)).ok();
    micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()).unwrap_or_default()
}
