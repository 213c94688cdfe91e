//! Ids in OTLP/JSON that are not hexadecimal: the parser refuses the whole request for one of them, where a wrong
//! length costs its span alone.
//!
//! `{"traceId":"abc","name":"GET"}` → `{"traceId":"00","name":"GET"}`, which [`keep_fit`](super::keep_fit) takes out

/// The keys of ids, and how many digits each has.
const IDS: [(&[u8], usize); 3] = [(b"traceId", 32), (b"spanId", 16), (b"parentSpanId", 16)];

/// An id of a wrong length.
const UNFIT: &[u8] = b"00";

/// How much of an id is shown.
const SHOWN_BYTES: usize = 64;

/// `text` with each such id made one of a wrong length, or in a link, whose span is not to suffer, none; and what
/// is wrong with the first. `None` if there is none.
pub(crate) fn mend_ids(text: &[u8]) -> Option<(Vec<u8>, String)> {
    let mut reader = Reader { text, at: 0, depth: 0, links: None };
    let (mut mended, mut copied, mut first) = (Vec::new(), 0, None);
    while let Some((digits, id)) = reader.next_id() {
        let found = text.get(id.clone()).unwrap_or_default();
        if found.len() % 2 == 0 && found.iter().all(u8::is_ascii_hexdigit) {
            continue;
        }
        first.get_or_insert_with(|| {
            let shown = String::from_utf8_lossy(found.get(..SHOWN_BYTES).unwrap_or(found));
            format!("an id is {shown:?}, expected {digits} hexadecimal digits")
        });
        mended.extend_from_slice(text.get(copied..id.start).unwrap_or_default());
        mended.extend_from_slice(if reader.links.is_some() { b"" } else { UNFIT });
        copied = id.end;
    }
    mended.extend_from_slice(text.get(copied..).unwrap_or_default());
    first.map(|first| (mended, first))
}

/// Goes through JSON from string to string.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Objects and arrays that are open.
    depth: usize,
    /// Those that were when a span's links began; `None` outside of them.
    links: Option<usize>,
}

impl Reader<'_> {
    /// How many digits the next id has to have, and where it stands between its quotes.
    fn next_id(&mut self) -> Option<(usize, std::ops::Range<usize>)> {
        loop {
            match *self.text.get(self.at)? {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.links = self.links.filter(|links| *links < self.depth);
                }
                b'"' => {
                    let string = self.string()?;
                    let Some(value) = self.value_of(&string) else { continue };
                    return Some(value);
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// The string that is a value of the key `key`, if that is an id's.
    fn value_of(&mut self, key: &std::ops::Range<usize>) -> Option<(usize, std::ops::Range<usize>)> {
        let key = self.text.get(key.clone())?;
        if key == b"links" {
            self.links.get_or_insert(self.depth);
        }
        let (_, digits) = IDS.into_iter().find(|(name, _)| *name == key)?;
        self.skip(b':')?;
        (self.peek()? == b'"').then(|| self.string())?.map(|value| (digits, value))
    }

    /// Between the quotes of the string that begins here; goes behind it.
    fn string(&mut self) -> Option<std::ops::Range<usize>> {
        let start = self.at + 1;
        let mut end = start;
        loop {
            end += self.text.get(end..)?.iter().position(|sign| matches!(sign, b'"' | b'\\'))?;
            if self.text.get(end) == Some(&b'"') {
                self.at = end + 1;
                return Some(start..end);
            }
            end += 2;
        }
    }

    fn skip(&mut self, sign: u8) -> Option<()> {
        (self.peek()? == sign).then(|| self.at += 1)
    }

    /// The next sign that is no space; goes there.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> Option<String> {
        mend_ids(text.as_bytes()).map(|(text, _)| String::from_utf8(text).unwrap())
    }

    #[test]
    fn ids_that_are_not_hexadecimal_are_mended_and_nothing_else() {
        for (text, expected, reason) in [
            (r#"{"traceId":"abc"}"#, Some(r#"{"traceId":"00"}"#), "an odd number of digits"),
            (r#"{"spanId" : "xy"}"#, Some(r#"{"spanId" : "00"}"#), "no digits"),
            (r#"{"parentSpanId":"ü"}"#, Some(r#"{"parentSpanId":"00"}"#), "not even ASCII"),
            (r#"{"spanId":"a\"b","traceId":"\\"}"#, Some(r#"{"spanId":"00","traceId":"00"}"#), "escapes"),
            (r#"{"traceId":"","spanId":"ABCD"}"#, None, "hexadecimal"),
            (r#"{"traceId":7,"spanId":null}"#, None, "the parser's affair"),
            (r#"{"key":"traceId","value":"xyz"}"#, None, "an attribute's name"),
            (r#"{"name":"\"traceId\":\"xyz\""}"#, None, "in a string"),
            (
                r#"{"links":[{"traceId":"x","spanId":"0102"}],"spanId":"y"}"#,
                Some(r#"{"links":[{"traceId":"","spanId":"0102"}],"spanId":"00"}"#),
                "a link's is left out",
            ),
            (r#"{"traceId":"x"#, None, "cut off"),
            (r#"{"traceId":"x\"#, None, "cut off in an escape"),
            ("\"", None, "nearly nothing"),
        ] {
            assert_eq!(mended(text).as_deref(), expected, "{reason}");
        }
    }

    #[test]
    fn the_first_is_told() {
        let (_, first) = mend_ids(br#"{"traceId":"abc","spanId":"x"}"#).unwrap();
        assert_eq!(first, "an id is \"abc\", expected 32 hexadecimal digits");
        let (_, first) = mend_ids(format!("{{\"spanId\":\"{}\"}}", "z".repeat(100)).as_bytes()).unwrap();
        assert_eq!(first, format!("an id is \"{}\", expected 16 hexadecimal digits", "z".repeat(64)));
    }
}
