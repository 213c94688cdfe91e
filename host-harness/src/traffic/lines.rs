//! Lines of a file in constant memory: one buffer, and a bound that no line exceeds.

use std::io::{self, BufRead, Read as _};

/// Reads lines, whatever their ends: LF, or CR LF.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    buffer: Vec<u8>,
    limit: usize,
}

/// What stands where a line is expected.
#[derive(Debug)]
pub(super) enum Line<'a> {
    /// Its bytes without its end.
    Whole(&'a [u8]),
    /// It is longer than the limit, and was passed over.
    TooLong,
    /// No more lines.
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, number: 0, buffer: Vec::new(), limit }
    }

    /// The number of the line that was read last, counted from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Line<'_>> {
        self.number += 1;
        self.buffer.clear();
        // The line's end does not count, nor does one byte more to see that there is more.
        let most = self.limit as u64 + 2;
        if self.reader.by_ref().take(most).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(Line::End);
        }
        let is_whole = self.buffer.ends_with(b"\n") || (self.buffer.len() as u64) < most;
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let length = line.strip_suffix(b"\r").unwrap_or(line).len();
        if !is_whole {
            self.reader.skip_until(b'\n')?;
        }
        if length > self.limit {
            return Ok(Line::TooLong);
        }
        Ok(self.buffer.get(..length).map_or(Line::End, Line::Whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, limit: usize) -> Vec<String> {
        let mut lines = Lines::new(text.as_bytes(), limit);
        let mut found = Vec::new();
        loop {
            found.push(match lines.next().unwrap() {
                Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                Line::TooLong => "<too long>".to_owned(),
                Line::End => return found,
            });
        }
    }

    #[test]
    fn lines_end_in_lf_or_crlf_or_with_the_file() {
        assert_eq!(lines("a\r\n\nb\rc\nd", 9), ["a", "", "b\rc", "d"]);
        assert_eq!(lines("a\n", 9), ["a"]);
        assert_eq!(lines("", 9), [""; 0]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_passed_over_and_the_next_one_read() {
        for (text, expected) in [
            ("abc\nd", ["abc", "d"]),
            ("abc\r\nd", ["abc", "d"]),
            ("abcd\nd", ["<too long>", "d"]),
            ("abcde\nd", ["<too long>", "d"]),
            ("abcdefghi\nd", ["<too long>", "d"]),
        ] {
            assert_eq!(lines(text, 3), expected, "{text:?}");
        }
        assert_eq!(lines("abcd", 3), ["<too long>"]);
    }
}
