//! Recorded traffic of any format: entries or errors, and no more of them than bytes; what is used is a
//! valid exchange, is read back as it was written, and has no secrets once they are taken out.

use std::io::Cursor;

use meshspan::traffic::jsonl::JsonLines;
use meshspan::traffic::{Format, Options, REDACTED, Redactor, SECRET_HEADERS, Tally, read};

/// The format's name on a line of its own, then a file; without such a line the format is found out.
pub fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let named = std::str::from_utf8(&input[..end]).ok().and_then(|name| name.parse::<Format>().ok());
    let file = if named.is_some() { input.get(end + 1..).unwrap_or_default() } else { input };
    let options = Options { format: named, ..Options::default() };
    let Ok(traffic) = read(Cursor::new(file.to_vec()), "fuzz", &options) else { return };
    // What is packed may be longer than it looks.
    let most = if file.starts_with(b"\x1f\x8b") { usize::MAX } else { file.len() + 1 };
    let (mut tally, mut count) = (Tally::default(), 0);
    for entry in traffic {
        count += 1;
        assert!(count <= most, "more entries than bytes");
        let Ok(entry) = entry else { continue };
        let Some(mut exchange) = tally.take(entry) else { continue };
        exchange.check().expect("sources give what is valid");
        let line = serde_json::to_string(&exchange).expect("an exchange can be written");
        let again = JsonLines::new(line.as_bytes()).next().expect("a line").expect("an exchange");
        assert_eq!(again, exchange);
        Redactor::default().redact(&mut exchange);
        let (request, response) = (&exchange.request, &exchange.response);
        for (name, value) in request.headers.iter().chain(&response.headers).chain(&response.trailers) {
            let is_secret = SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
            assert!(!is_secret || *value == REDACTED, "{name}: {value:?}");
        }
    }
    assert!(!tally.to_string().is_empty());
}
