//! JSON values out of a long stream, one at a time: those that follow each other, or the elements of
//! one array deep in a document. Looks at brackets and quotes alone; what is between them is for others.
//!
//! `{"log":{"version":"1.2","entries":[{…},{…}]}}` → `{…}`, `{…}`

use std::io::{self, BufRead};

/// The values of a stream.
#[derive(Debug)]
pub(super) struct Values<R> {
    reader: R,
    byte: u64,
    limit: usize,
    buffer: Vec<u8>,
    /// Whether the values are the elements of an array, whose end is theirs.
    in_array: bool,
}

/// What stands where a value is expected.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// Its bytes, which may still be no JSON.
    Value(&'a [u8]),
    /// It is longer than the limit, and was passed over.
    TooLong,
    /// It is none, and the line was passed over; or the stream ends within it.
    Wrong(&'static str),
    /// No more values.
    End,
}

impl<R: BufRead> Values<R> {
    /// Values that follow each other, whatever space or commas are between them.
    pub(super) fn concatenated(reader: R, limit: usize) -> Self {
        Self { reader, byte: 0, limit, buffer: Vec::new(), in_array: false }
    }

    /// The elements of the array that stands at `path` in a document; `None` if none does.
    pub(super) fn elements(reader: R, path: &[&str], limit: usize) -> io::Result<Option<Self>> {
        let mut values = Self::concatenated(reader, limit);
        for key in path {
            if !values.enter(key)? {
                return Ok(None);
            }
        }
        values.in_array = true;
        Ok(values.take_if(b"[")?.then_some(values))
    }

    /// The byte at which the next value is looked for, counted from 0.
    pub(super) fn byte(&self) -> u64 {
        self.byte
    }

    /// Goes to where the next value begins.
    pub(super) fn skip_space(&mut self) -> io::Result<()> {
        while self.take_if(b" \t\r\n,\x1e")? {}
        Ok(())
    }

    /// The next value.
    pub(super) fn next(&mut self) -> io::Result<Found<'_>> {
        self.skip_space()?;
        match self.peek()? {
            None if self.in_array => {
                self.in_array = false;
                Ok(Found::Wrong("the file ends before its array does"))
            }
            None => Ok(Found::End),
            Some(b']') if self.in_array => Ok(Found::End),
            Some(b']' | b'}' | b':') => {
                let skipped = self.reader.skip_until(b'\n')?;
                self.byte += skipped as u64;
                Ok(Found::Wrong("a bracket or colon without what belongs before it"))
            }
            Some(_) => {
                self.buffer.clear();
                match self.scan(self.limit)? {
                    End::Whole if self.buffer.len() > self.limit => Ok(Found::TooLong),
                    End::Whole => Ok(Found::Value(&self.buffer)),
                    End::CutOff => {
                        self.in_array = false;
                        Ok(Found::Wrong("the file ends within it"))
                    }
                }
            }
        }
    }

    /// Enters an object and goes to the value of `key`; false if it has none.
    fn enter(&mut self, key: &str) -> io::Result<bool> {
        self.skip_space()?;
        if !self.take_if(b"{")? {
            return Ok(false);
        }
        loop {
            self.skip_space()?;
            if self.peek()? != Some(b'"') {
                return Ok(false);
            }
            self.buffer.clear();
            self.scan(self.limit)?;
            let is_it = self.buffer.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""))
                == Some(key.as_bytes());
            self.skip_space()?;
            if !self.take_if(b":")? {
                return Ok(false);
            }
            self.skip_space()?;
            if is_it {
                return Ok(true);
            }
            if matches!(self.peek()?, None | Some(b']' | b'}' | b':')) {
                return Ok(false);
            }
            self.scan(0)?;
        }
    }

    /// Reads a value to its end. The buffer keeps what it had, and at most one byte more than `limit`.
    fn scan(&mut self, limit: usize) -> io::Result<End> {
        let mut scan = Scan::default();
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(if scan.is_scalar { End::Whole } else { End::CutOff });
            }
            let (used, is_done) = scan.feed(bytes);
            let room = (limit + 1).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(bytes.get(..used.min(room)).unwrap_or_default());
            self.reader.consume(used);
            self.byte += used as u64;
            if is_done {
                return Ok(End::Whole);
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.reader.fill_buf()?.first().copied())
    }

    fn take_if(&mut self, any_of: &[u8]) -> io::Result<bool> {
        let is_it = self.peek()?.is_some_and(|byte| any_of.contains(&byte));
        if is_it {
            self.reader.consume(1);
            self.byte += 1;
        }
        Ok(is_it)
    }
}

/// How a value ends.
enum End {
    Whole,
    CutOff,
}

/// How far a value has been read.
#[derive(Default)]
struct Scan {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
    is_scalar: bool,
}

impl Scan {
    /// Reads on: how many of the bytes are the value's, and whether it ends with them.
    fn feed(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (index + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n' if self.is_scalar => {
                    return (index, true);
                }
                b'"' if !self.is_scalar => self.in_string = true,
                b'{' | b'[' if !self.is_scalar => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (index + 1, true);
                    }
                }
                _ if self.depth == 0 => self.is_scalar = true,
                _ => {}
            }
        }
        (bytes.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    /// Every value with its place, read through a buffer of three bytes.
    fn all(values: &mut Values<impl BufRead>) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        loop {
            values.skip_space().unwrap();
            let byte = values.byte();
            found.push(match values.next().unwrap() {
                Found::Value(value) => (byte, String::from_utf8_lossy(value).into_owned()),
                Found::TooLong => (byte, "<too long>".to_owned()),
                Found::Wrong(what) => (byte, format!("<{what}>")),
                Found::End => return found,
            });
        }
    }

    fn reader(text: &[u8]) -> BufReader<&[u8]> {
        BufReader::with_capacity(3, text)
    }

    fn texts(found: Vec<(u64, String)>) -> Vec<String> {
        found.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn values_follow_each_other() {
        let found = all(&mut Values::concatenated(reader(br#" {"a":"}\"]"}{"b":[1,{}]}, 12 "x"tru"#), 99));
        let found: Vec<_> = found.iter().map(|(byte, text)| (*byte, text.as_str())).collect();
        assert_eq!(
            found,
            [(1, r#"{"a":"}\"]"}"#), (13, r#"{"b":[1,{}]}"#), (27, "12"), (30, r#""x""#), (33, "tru")]
        );
    }

    #[test]
    fn elements_are_found_behind_whatever_stands_before_them() {
        let elements = |text: &str| {
            Values::elements(reader(text.as_bytes()), &["log", "entries"], 20)
                .unwrap()
                .map(|mut values| texts(all(&mut values)))
        };
        for (text, expected) in [
            (r#"{"log":{"entries":[]}}"#, Some(&[][..])),
            (
                r#"{"x":[{"log":1}],"log":{"a":"entries","pages":[{}],"entries" : [ {"a":1} , 2 ],"b":[3]}}"#,
                Some(&[r#"{"a":1}"#, "2"]),
            ),
            (
                r#"{"log":{"entries":[{"a":"12345678901234567890"},{"b":1}]}}"#,
                Some(&["<too long>", r#"{"b":1}"#]),
            ),
            (r#"{"log":{"entries":[{"a":1}"#, Some(&[r#"{"a":1}"#, "<the file ends before its array does>"])),
            (r#"{"log":{"entries":[{"a":"#, Some(&["<the file ends within it>"])),
            (r#"{"log":{"entries":{}}}"#, None),
            (r#"{"log":{"entry":[]}}"#, None),
            (r#"{"log""#, None),
            (r#"{"x":}"#, None),
            ("[]", None),
            ("", None),
        ] {
            let found = elements(text);
            let found = found.as_ref().map(|found| found.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(found, expected.map(<[_]>::to_vec), "{text}");
        }
    }

    #[test]
    fn after_what_is_wrong_the_next_line_is_read() {
        let found = all(&mut Values::concatenated(reader(b"}}{}\n{\"a\":1}"), 99));
        assert_eq!(texts(found), ["<a bracket or colon without what belongs before it>", r#"{"a":1}"#]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_go_on_for_ever(text in r#"[{}\[\]",:\\ \n0a]{0,60}"#) {
            prop_assert!(all(&mut Values::concatenated(reader(text.as_bytes()), 5)).len() <= text.len());
            if let Some(mut values) = Values::elements(reader(text.as_bytes()), &["a"], 5).unwrap() {
                prop_assert!(all(&mut values).len() <= text.len());
            }
        }
    }
}
