//! Arguments and results of hostcalls as text: names for numbers, texts in quotes, long ones cut, secrets left out.

use super::guest::Slice;
use super::numbers::{buffer_kind, direction, log_level, map_kind, metric_kind};
use super::signatures::{Kind, signature};
use crate::counted::counted;
use crate::host::{Field, HeaderMap, decode_pairs};

/// Most bytes of a text that are shown.
const MOST_SHOWN_BYTES: usize = 200;
/// Most pairs of a map that are shown.
const MOST_SHOWN_PAIRS: usize = 64;
const REDACTED: &str = "(redacted)";

/// Headers whose values nobody should find in a terminal or a file.
const SECRETS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
    "x-forwarded-client-cert",
];

/// What the guest gives, decoded from its memory before the call.
pub(super) fn given(hostcall: &str, numbers: &[u64], memory: &[u8]) -> Vec<Field> {
    let Some(parameters) = signature(hostcall) else {
        return numbers.iter().map(|number| Field { name: "", value: number.to_string() }).collect();
    };
    let mut numbers = numbers.iter().copied();
    let mut fields = Vec::new();
    for (name, kind) in parameters {
        let first = numbers.next().unwrap_or_default();
        let second = if kind.width() == 2 { numbers.next().unwrap_or_default() } else { 0 };
        if let Some(value) = argument(*kind, first, second, memory) {
            fields.push(Field { name, value });
        }
    }
    redact(&mut fields, false);
    fields
}

/// What the guest was given, decoded from its memory after a call that succeeded; without `has_bytes`, no bytes.
pub(super) fn gave(
    hostcall: &str,
    numbers: &[u64],
    memory: &[u8],
    given: &[Field],
    has_bytes: bool,
) -> Vec<Field> {
    let mut numbers = numbers.iter().copied();
    let mut fields = Vec::new();
    let path = given.iter().find(|field| field.name == "path").map_or("", |field| &field.value);
    let is_map = path.ends_with("headers\"") || path.ends_with("trailers\"");
    for (name, kind) in signature(hostcall).unwrap_or_default() {
        let first = numbers.next().unwrap_or_default();
        let second = if kind.width() == 2 { numbers.next().unwrap_or_default() } else { 0 };
        let kind = if is_map && *kind == Kind::GivesBytes { Kind::GivesPairs } else { *kind };
        let value = match kind {
            Kind::GivesBytes | Kind::GivesPairs if !has_bytes => Some(shown(&[])),
            _ => result(kind, first, second, memory),
        };
        if let Some(value) = value {
            fields.push(Field { name, value });
        }
    }
    redact(&mut fields, given.iter().any(is_secret));
    fields
}

fn argument(kind: Kind, first: u64, second: u64, memory: &[u8]) -> Option<String> {
    let number = low(first);
    let bytes = || slice(memory, number, low(second));
    Some(match kind {
        Kind::Map => map_kind(number).map_or_else(|_| number.to_string(), |kind| kind.to_string()),
        Kind::Buffer => buffer_kind(number).map_or_else(|_| number.to_string(), |kind| kind.to_string()),
        Kind::Stream => named(number, direction(number).ok()),
        Kind::Metric => named(number, metric_kind(number).ok()),
        Kind::Level => log_level(number).map_or_else(|_| number.to_string(), |level| level.to_string()),
        Kind::Number => number.cast_signed().to_string(),
        Kind::Wide => first.cast_signed().to_string(),
        Kind::Bytes => bytes().map_or_else(|| outside(number, low(second)), shown),
        Kind::Path => bytes().map_or_else(
            || outside(number, low(second)),
            |bytes| shown(&bytes.split(|byte| *byte == 0).collect::<Vec<_>>().join(&b'.')),
        ),
        Kind::Pairs => bytes().map_or_else(|| outside(number, low(second)), pairs),
        Kind::GivesBytes | Kind::GivesPairs | Kind::GivesNumber | Kind::GivesWide => return None,
    })
}

fn result(kind: Kind, first: u64, second: u64, memory: &[u8]) -> Option<String> {
    let number = |at: u64| Some(u32::from_le_bytes(slice(memory, low(at), 4)?.try_into().ok()?));
    let bytes = || slice(memory, number(first)?, number(second)?);
    match kind {
        Kind::GivesBytes => bytes().map(shown),
        Kind::GivesPairs => bytes().map(pairs),
        Kind::GivesNumber => number(first).map(|number| number.to_string()),
        Kind::GivesWide => {
            let bytes = slice(memory, low(first), 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes).to_string())
        }
        _ => None,
    }
}

/// Addresses are 32 bits wide.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

fn slice(memory: &[u8], at: u32, length: u32) -> Option<&[u8]> {
    Slice(at, length).of(memory).ok()
}

fn named(number: u32, name: Option<impl std::fmt::Debug>) -> String {
    name.map_or_else(|| number.to_string(), |name| format!("{name:?}").to_ascii_lowercase())
}

fn outside(at: u32, length: u32) -> String {
    format!("{} at {at}, outside memory", counted(length.into(), "byte"))
}

/// Text in quotes if it is text, else hexadecimal.
fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..MOST_SHOWN_BYTES).unwrap_or(bytes);
    let text = match std::str::from_utf8(cut) {
        Ok(text) => format!("\"{}\"", text.escape_debug()),
        // A character that the cut went through.
        Err(error) if cut.len() < bytes.len() && error.error_len().is_none() => {
            format!(
                "\"{}\"",
                String::from_utf8_lossy(cut.get(..error.valid_up_to()).unwrap_or_default()).escape_debug()
            )
        }
        Err(_) => format!("0x{}", hex::encode(cut)),
    };
    if cut.len() < bytes.len() { format!("{text}… ({} bytes)", bytes.len()) } else { text }
}

fn pairs(bytes: &[u8]) -> String {
    let Some(map) = decode_pairs(bytes) else { return format!("no map: {}", shown(bytes)) };
    map_shown(&map)
}

fn map_shown(map: &HeaderMap) -> String {
    let pairs = map.iter().take(MOST_SHOWN_PAIRS).map(|(name, value)| {
        let value = if is_secret_name(name) { REDACTED.to_owned() } else { shown(value) };
        format!("{}: {value}", String::from_utf8_lossy(name).escape_debug())
    });
    let text = pairs.collect::<Vec<_>>().join(", ");
    let more = map.len().saturating_sub(MOST_SHOWN_PAIRS);
    if more > 0 { format!("{{{text}, and {more} more}}") } else { format!("{{{text}}}") }
}

/// Values beside a key or a path that names a secret.
fn redact(fields: &mut [Field], is_known: bool) {
    if is_known || fields.iter().any(is_secret) {
        let values = fields.iter_mut().filter(|field| field.name == "value");
        values.for_each(|field| REDACTED.clone_into(&mut field.value));
    }
}

fn is_secret(field: &Field) -> bool {
    let name = match field.name {
        "key" => field.value.trim_matches('"'),
        "path" => field.value.trim_matches('"').rsplit('.').next().unwrap_or_default(),
        _ => return false,
    };
    is_secret_name(name.as_bytes())
}

fn is_secret_name(name: &[u8]) -> bool {
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}
