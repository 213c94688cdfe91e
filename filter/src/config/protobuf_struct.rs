//! `google.protobuf.Struct` in binary, which Envoy hands over as it is, as the JSON that it stands for.
//! Doubles that are whole, which is all that a Struct has, count as whole numbers.
//! Spec: <https://protobuf.dev/reference/protobuf/google.protobuf/#struct>
//! `0a 0c 0a 07 "version" 12 …` → `{"version": 1}`

use super::json::{Number, Value, decimal};
use super::sorted::SortedMap;

/// Structs and lists in each other at most, as in Protocol Buffers' own parsers.
const MAX_DEPTH: u32 = 100;

/// Keys whose values are fractions. Envoy, which reads YAML's whole numbers and booleans, leaves a
/// fraction in a Struct as the string that it is in the file.
const FRACTIONS: [&str; 2] = ["ratio", "per_second"];

/// Whether `bytes`, which are no JSON, look like a Struct: its first field is an entry, and every
/// entry holds control characters.
pub(super) fn is_struct(bytes: &[u8]) -> bool {
    let is_binary = bytes.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
    bytes.first() == Some(&0x0a) && is_binary
}

/// Decodes a Struct. Of a key that is there several times the last value counts.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, &'static str> {
    decode_struct(bytes, 0)
}

fn decode_struct(bytes: &[u8], depth: u32) -> Result<Value, &'static str> {
    let mut map = SortedMap::new();
    for field in Fields(bytes) {
        if let (1, Field::Bytes(entry)) = field? {
            let (mut key, mut value) = ("", Value::Null);
            for field in Fields(entry) {
                match field? {
                    (1, Field::Bytes(bytes)) => key = text(bytes)?,
                    (2, Field::Bytes(bytes)) => value = decode_value(bytes, depth + 1)?,
                    _ => {}
                }
            }
            let fraction = value.as_str().filter(|_| FRACTIONS.contains(&key));
            if let Some(fraction) = fraction.and_then(decimal) {
                value = number(fraction)?;
            }
            map.insert(key.to_owned(), value);
        }
    }
    Ok(Value::Object(map))
}

fn decode_value(bytes: &[u8], depth: u32) -> Result<Value, &'static str> {
    if depth > MAX_DEPTH {
        return Err("it is nested too deeply");
    }
    let mut value = Value::Null;
    for field in Fields(bytes) {
        value = match field? {
            (1, Field::Integer(_)) => Value::Null,
            (2, Field::Fixed64(bits)) => number(f64::from_bits(bits))?,
            (3, Field::Bytes(bytes)) => Value::from(text(bytes)?),
            (4, Field::Integer(bits)) => Value::Bool(bits != 0),
            (5, Field::Bytes(bytes)) => decode_struct(bytes, depth)?,
            (6, Field::Bytes(bytes)) => decode_list(bytes, depth)?,
            _ => value,
        };
    }
    Ok(value)
}

fn decode_list(bytes: &[u8], depth: u32) -> Result<Value, &'static str> {
    let mut values = Vec::new();
    for field in Fields(bytes) {
        if let (1, Field::Bytes(value)) = field? {
            values.push(decode_value(value, depth + 1)?);
        }
    }
    Ok(Value::Array(values))
}

fn text(bytes: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(bytes).map_err(|_| "it has a string that is not UTF-8")
}

fn number(number: f64) -> Result<Value, &'static str> {
    Number::from_f64(number).map(Value::Number).ok_or("it has a number that is not finite")
}

/// One field of an encoded message.
enum Field<'a> {
    Integer(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// Reads fields and their numbers; the first malformed one is the last.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Integer(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let len = self.varint()?;
                Field::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Field::Fixed32)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or("it is cut off or malformed"))
    }
}

#[cfg(test)]
mod tests;
