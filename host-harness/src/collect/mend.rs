//! Ids in OTLP/JSON that are not hexadecimal: the parser refuses the whole request for one of them, where a wrong
//! length costs its span alone.
//!
//! `{"traceId":"abc","name":"GET"}` → `{"traceId":"00","name":"GET"}`, which [`keep_fit`](super::keep_fit) takes out

use std::iter::once;

use serde::Deserialize;
use serde_json::value::RawValue;

/// An id of a wrong length; a link, whose span is not to suffer, has none instead.
const UNFIT: &[u8] = br#""00""#;
const NONE: &[u8] = br#""""#;

/// How much of an id is shown.
const SHOWN_CHARACTERS: usize = 64;

/// A request, as far as it has ids.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_spans: Vec<Resource<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(borrow, default)]
    scope_spans: Vec<Scope<'a>>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(borrow, default)]
    spans: Vec<Span<'a>>,
}

/// A span, or one of its links, whose ids have the same names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(borrow)]
    trace_id: Option<&'a RawValue>,
    #[serde(borrow)]
    span_id: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_span_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    links: Vec<Span<'a>>,
}

/// An id that cannot be read.
struct Unreadable<'a> {
    /// As it stands in the text, with its quotes.
    written: &'a str,
    instead: &'static [u8],
    /// What is wrong with it.
    problem: String,
}

/// `text` with each such id made one of a wrong length, or in a link none; and what is wrong with the first. `None` if
/// there is no such id, or the text is no request for other reasons.
pub fn mend_ids(text: &[u8]) -> Option<(Vec<u8>, String)> {
    let request: Request<'_> = serde_json::from_str(str::from_utf8(text).ok()?).ok()?;
    let spans = request
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans);
    let all = spans.flat_map(|span| once((span, UNFIT)).chain(span.links.iter().map(|link| (link, NONE))));
    let mut unreadable: Vec<Unreadable<'_>> =
        all.flat_map(|(holder, instead)| holder.unreadable(instead)).collect();
    unreadable.sort_unstable_by_key(|id| id.written.as_ptr());
    let first = unreadable.first()?.problem.clone();
    let (mut mended, mut copied) = (Vec::with_capacity(text.len()), 0);
    for id in unreadable {
        // It is a part of the text.
        let start = id.written.as_ptr().addr() - text.as_ptr().addr();
        mended.extend_from_slice(text.get(copied..start)?);
        mended.extend_from_slice(id.instead);
        copied = start + id.written.len();
    }
    mended.extend_from_slice(text.get(copied..)?);
    Some((mended, first))
}

impl<'a> Span<'a> {
    fn unreadable(&self, instead: &'static [u8]) -> impl Iterator<Item = Unreadable<'a>> {
        let ids = [(self.trace_id, 32), (self.span_id, 16), (self.parent_span_id, 16)];
        ids.into_iter().filter_map(move |(id, digits)| {
            let written = id?.get();
            // Nearly all end here, before anything is allocated.
            if is_hexadecimal(written.trim_matches('"')) {
                return None;
            }
            // Something other than a string is the parser's affair.
            let found: String = serde_json::from_str(written).ok()?;
            if is_hexadecimal(&found) {
                return None;
            }
            let shown: String = found.chars().take(SHOWN_CHARACTERS).collect();
            let problem = format!("an id is {shown:?}, expected {digits} hexadecimal digits");
            Some(Unreadable { written, instead, problem })
        })
    }
}

fn is_hexadecimal(id: &str) -> bool {
    id.len().is_multiple_of(2) && id.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with this span.
    fn request(span: &str) -> String {
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"a"}},{span}]}}]}}]}}"#)
    }

    fn mended(span: &str) -> Option<String> {
        mend_ids(request(span).as_bytes()).map(|(text, _)| String::from_utf8(text).unwrap())
    }

    #[test]
    fn ids_that_are_not_hexadecimal_are_mended_and_nothing_else() {
        for (span, expected, reason) in [
            (r#"{"traceId":"abc"}"#, Some(r#"{"traceId":"00"}"#), "an odd number of digits"),
            (r#"{"spanId" : "xy"}"#, Some(r#"{"spanId" : "00"}"#), "no digits"),
            (r#"{"parentSpanId":"ü"}"#, Some(r#"{"parentSpanId":"00"}"#), "not even ASCII"),
            (r#"{"spanId":"a\"b","traceId":"\\"}"#, Some(r#"{"spanId":"00","traceId":"00"}"#), "escapes"),
            (r#"{"traceId":"","spanId":"ABCD"}"#, None, "hexadecimal"),
            (r#"{"traceId":"\u0061b"}"#, None, "hexadecimal, by an escape"),
            (r#"{"traceId":7,"spanId":null}"#, None, "the parser's affair"),
            (
                r#"{"attributes":[{"key":"traceId","value":{"stringValue":"x"}}]}"#,
                None,
                "an attribute's name",
            ),
            (r#"{"name":"\"traceId\":\"xyz\""}"#, None, "in a string"),
            (
                r#"{"links":[{"traceId":"x","spanId":"0102"}],"spanId":"y"}"#,
                Some(r#"{"links":[{"traceId":"","spanId":"0102"}],"spanId":"00"}"#),
                "a link's is left out",
            ),
            (r#"{"traceId":"x"#, None, "cut off"),
            (r#"{"traceId":"x","links":{}}"#, None, "no request for another reason"),
        ] {
            assert_eq!(mended(span), expected.map(request), "{reason}");
        }
        assert_eq!(mend_ids(b"{}"), None);
    }

    #[test]
    fn the_first_is_told() {
        let (_, first) = mend_ids(request(r#"{"spanId":"x","traceId":"abc"}"#).as_bytes()).unwrap();
        assert_eq!(first, "an id is \"x\", expected 16 hexadecimal digits");
        let long = request(&format!(r#"{{"traceId":"{}"}}"#, "z".repeat(100)));
        let (_, first) = mend_ids(long.as_bytes()).unwrap();
        assert_eq!(first, format!("an id is \"{}\", expected 32 hexadecimal digits", "z".repeat(64)));
    }
}
