//! Finds out a file's format. Names decide only where the first bytes do not.
//! Reads no more than what it is given, and believes nothing that it was not shown.

use super::{Format, gor, vegeta};

/// The format that the first bytes of a file show.
pub(super) fn by_content(head: &[u8]) -> Option<Format> {
    let keys = keys(head);
    let has = |name: &str| keys.iter().any(|key| key == name.as_bytes());
    let of_json = [
        (has("timing_us") || has("source") && has("request"), Format::JsonLines),
        (has("log"), Format::Har),
        (keys.iter().any(|key| is_trace(key)), Format::TapJson),
        (has("method") && has("url"), Format::VegetaJson),
        (has("response_code") || has("start_time"), Format::AccessLog),
    ];
    if let Some((_, format)) = of_json.into_iter().find(|(is_it, _)| *is_it) {
        return Some(format);
    }
    if gor::is_start(head) {
        return Some(Format::GoReplay);
    }
    // Only whole lines count, and comments may stand before the first target.
    let mut lines = head.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let first = lines.find(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"));
    first.is_some_and(vegeta::is_request_line).then_some(Format::VegetaHttp)
}

/// Whether a key is a member of Envoy's `TraceWrapper`, in either spelling.
fn is_trace(key: &[u8]) -> bool {
    const TRACES: [&[u8]; 4] = [
        b"http_buffered_trace",
        b"http_streamed_trace_segment",
        b"socket_buffered_trace",
        b"socket_streamed_trace_segment",
    ];
    let without =
        |key: &[u8]| key.to_ascii_lowercase().into_iter().filter(|byte| *byte != b'_').collect::<Vec<_>>();
    TRACES.iter().any(|trace| without(trace) == without(key))
}

/// The format that a file's name tells, whatever is in it.
pub(super) fn by_name(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    let (_, extension) = name.rsplit_once('.')?;
    match extension {
        "jsonl" | "ndjson" => Some(Format::JsonLines),
        "har" => Some(Format::Har),
        "gor" => Some(Format::GoReplay),
        "pb" => Some(Format::TapBinary),
        "pb_length_delimited" => Some(Format::TapDelimited),
        _ => None,
    }
}

/// The keys of the first JSON object, as far as it is there.
fn keys(head: &[u8]) -> Vec<Vec<u8>> {
    let (mut keys, mut depth, mut string, mut rest) = (Vec::new(), 0_u32, None, head.trim_ascii_start());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => match text(rest) {
                Some((read, after)) => (string, rest) = (Some(read), after),
                None => break,
            },
            b':' if depth == 1 => keys.extend(string.take().map(<[u8]>::to_vec)),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => break,
            b'}' | b']' => depth -= 1,
            _ if depth == 0 => break,
            _ => {}
        }
    }
    keys
}

/// The bytes up to the quote that ends a string, and those after it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = bytes.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_first_object_alone() {
        for (head, expected) in [
            (r#"{"a":{"b":1},"c\"":["d",{"e":2}],"f" : "g:h"} {"i":1}"#, &["a", r#"c\""#, "f"][..]),
            (r#"  {"a":"{\"b\":1","#, &["a"]),
            (r#"{"a":1,"b"#, &["a"]),
            (r#"{"a":1,"b""#, &["a"]),
            (r#"[{"a":1}]"#, &[]),
            (r#"x{"a":1}"#, &[]),
            ("", &[]),
        ] {
            let found: Vec<_> =
                keys(head.as_bytes()).into_iter().map(|key| String::from_utf8(key).unwrap()).collect();
            assert_eq!(found, expected, "{head}");
        }
    }
}
