//! Protocol Buffers' wire format, as much as OTLP's trace messages need. Lengths come before what they
//! are the length of, so each kind of field says beforehand how long it will be.
//! Spec: <https://protobuf.dev/programming-guides/encoding/>

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const GROUP_START: u32 = 3;
const GROUP_END: u32 = 4;
const FIXED32: u32 = 5;

/// Appends `value` in base 128, least significant group first.
#[inline]
fn varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// How many bytes `value` takes in base 128: 1 to 10.
#[inline]
pub(super) const fn varint_len(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// How many bytes a length-delimited field of `len` bytes takes, if its number is below 16.
#[inline]
pub(super) const fn field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

#[inline]
fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// Appends a whole number; `int64` fields take two's complement.
#[inline]
pub(super) fn integer(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

/// Appends a `fixed64`.
#[inline]
pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a `fixed32`.
#[inline]
pub(super) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `bytes`, `string` or an encoded message.
#[inline]
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    length(out, field, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of a length-delimited field whose `len` bytes the caller appends.
#[inline]
pub(super) fn length(out: &mut Vec<u8>, field: u32, len: usize) {
    tag(out, field, LENGTH_DELIMITED);
    varint(out, len as u64);
}

/// Appends the message that `body` writes.
pub(super) fn message(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    body(&mut message);
    bytes(out, field, &message);
}

/// One field of an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// `int64`, `enum` and the like.
    Integer(u64),
    /// `bytes`, `string` or a message.
    Bytes(&'a [u8]),
    /// A fixed-width number or a group, of no use here.
    Other,
}

/// Reads fields and their numbers until the end or the first malformed one.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
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

    /// Passes over a group, which nobody writes any more, with the groups inside.
    fn skip_group(&mut self) -> Option<()> {
        let mut open = 1_u32;
        while open > 0 {
            match u32::try_from(self.varint()? & 7).ok()? {
                GROUP_START => open = open.checked_add(1)?,
                GROUP_END => open -= 1,
                wire_type => _ = self.value(wire_type)?,
            }
        }
        Some(())
    }

    fn value(&mut self, wire_type: u32) -> Option<Field<'a>> {
        match wire_type {
            VARINT => self.varint().map(Field::Integer),
            FIXED64 => self.take(8).map(|_| Field::Other),
            LENGTH_DELIMITED => {
                let len = self.varint()?;
                self.take(len).map(Field::Bytes)
            }
            FIXED32 => self.take(4).map(|_| Field::Other),
            _ => None,
        }
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let field = match u32::try_from(tag & 7).ok()? {
            GROUP_START => self.skip_group().map(|()| Field::Other)?,
            wire_type => self.value(wire_type)?,
        };
        Some((tag >> 3, field))
    }
}
