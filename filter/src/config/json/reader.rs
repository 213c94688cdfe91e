//! Reads JSON, small rather than fast: it is for configurations, and the usual parser is ten times the code.
//! Spec: <https://www.rfc-editor.org/rfc/rfc8259>
//! `{"a": [1, "b"]}` → an object of a list of a number and a string

use super::number::Number;
use super::value::Value;
use crate::config::sorted::SortedMap;

/// Lists and objects in each other at most.
const MAX_DEPTH: u32 = 100;

const COMMA_OR_BRACKET: &str = "expected `,` or `]`";
const COMMA_OR_BRACE: &str = "expected `,` or `}`";

/// What is wrong, and before which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

impl Problem {
    /// Line and column in `json`, both from 1; columns are bytes.
    pub(super) fn place(self, json: &[u8]) -> (usize, usize) {
        let before = json.get(..self.at).unwrap_or(json);
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        (lines + 1, before.len() - start + 1)
    }
}

/// Reads one value with nothing but white space around it; of equal keys the last counts.
///
/// # Errors
/// The first problem.
pub(super) fn read(json: &[u8]) -> Result<Value, Problem> {
    let invalid =
        |error: std::str::Utf8Error| Problem { at: error.valid_up_to(), what: "invalid unicode code point" };
    let mut reader = Reader { text: std::str::from_utf8(json).map_err(invalid)?, at: 0 };
    let value = reader.value(0)?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.problem("trailing characters")),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// The next byte; never within a character.
    at: usize,
}

impl Reader<'_> {
    fn problem(&self, what: &'static str) -> Problem {
        Problem { at: self.at, what }
    }

    /// What is wrong if `expected` is not there.
    fn unexpected(&self, expected: &'static str, at_end: &'static str) -> Problem {
        self.problem(if self.at < self.text.len() { expected } else { at_end })
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Passes over `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.byte() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: u32) -> Result<Value, Problem> {
        if depth > MAX_DEPTH {
            return Err(self.problem("nested too deeply"));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Result<Value, Problem> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let literals = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
        for (text, value) in literals {
            if rest.starts_with(text) {
                self.at += text.len();
                return Ok(value);
            }
        }
        Err(self.unexpected("expected value", "EOF while parsing a value"))
    }

    fn array(&mut self, depth: u32) -> Result<Value, Problem> {
        self.at += 1;
        let mut values = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if !self.goes_on(b']', COMMA_OR_BRACKET, "EOF while parsing a list")? {
                return Ok(Value::Array(values));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value, Problem> {
        const END: &str = "EOF while parsing an object";
        self.at += 1;
        let mut map = SortedMap::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("key must be a string", END));
            }
            let key = self.string()?;
            self.peek();
            if !self.eat(b':') {
                return Err(self.unexpected("expected `:`", END));
            }
            map.insert(key, self.value(depth + 1)?);
            if !self.goes_on(b'}', COMMA_OR_BRACE, END)? {
                return Ok(Value::Object(map));
            }
        }
    }

    /// After a member: true behind a comma, false behind `close`.
    fn goes_on(&mut self, close: u8, expected: &'static str, at_end: &'static str) -> Result<bool, Problem> {
        self.peek();
        if self.eat(close) {
            return Ok(false);
        }
        if !self.eat(b',') {
            return Err(self.unexpected(expected, at_end));
        }
        if self.peek() == Some(close) {
            return Err(self.problem("trailing comma"));
        }
        Ok(true)
    }

    fn string(&mut self) -> Result<String, Problem> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..b' ')).count();
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            if self.eat(b'"') {
                return Ok(out);
            }
            if !self.eat(b'\\') {
                return Err(self.unexpected("control character in a string", "EOF while parsing a string"));
            }
            out.push(self.escaped()?);
        }
    }

    /// What the escape behind a backslash stands for.
    fn escaped(&mut self) -> Result<char, Problem> {
        let invalid = self.unexpected("invalid escape", "EOF while parsing a string");
        let byte = self.byte().ok_or(invalid)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.code_point().ok_or(invalid)?,
            _ => return Err(invalid),
        })
    }

    /// Four hex digits, or twice as many for what UTF-16 has in two parts.
    fn code_point(&mut self) -> Option<char> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high);
        }
        let low = if self.eat(b'\\') && self.eat(b'u') { self.hex()? } else { return None };
        let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)
    }

    fn hex(&mut self) -> Option<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value << 4 | char::from(self.byte()?).to_digit(16)?;
            self.at += 1;
        }
        Some(value)
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let start = self.at;
        let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let rest = self.text.get(start..).unwrap_or_default();
        let text = rest.get(..rest.bytes().take_while(is_of_number).count()).unwrap_or_default();
        let number = Number::parse(text).ok_or_else(|| self.problem("invalid number"))?;
        self.at += text.len();
        Ok(Value::Number(number))
    }
}

#[cfg(test)]
mod tests;
