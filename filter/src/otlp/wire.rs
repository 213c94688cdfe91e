//! Protocol Buffers' wire format, as much as OTLP's trace messages need.
//! Spec: <https://protobuf.dev/programming-guides/encoding/>

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const FIXED32: u32 = 5;

/// Appends `value` in base 128, least significant group first.
fn varint(out: &mut Vec<u8>, value: u64) {
    match u8::try_from(value) {
        Ok(byte @ ..0x80) => out.push(byte),
        _ => out.extend(groups(value)),
    }
}

/// The 1 to 10 groups of seven bits of `value`.
fn groups(value: u64) -> impl ExactSizeIterator<Item = u8> {
    let count = (u64::BITS - (value | 1).leading_zeros()).div_ceil(7);
    (0..count).map(move |i| {
        let more = if i + 1 < count { 0x80 } else { 0 };
        (value >> (7 * i)) as u8 & 0x7f | more
    })
}

fn tag(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// Appends a whole number; `int64` fields take two's complement.
pub(super) fn integer(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

/// Appends a `fixed64`.
pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a `fixed32`.
pub(super) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends `bytes`, `string` or an encoded message.
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    length(out, field, value.len());
    out.extend_from_slice(value);
}

/// Appends the head of a length-delimited field whose `len` bytes the caller appends.
pub(super) fn length(out: &mut Vec<u8>, field: u32, len: usize) {
    tag(out, field, LENGTH_DELIMITED);
    varint(out, len as u64);
}

/// Appends the message that `body` writes.
pub(super) fn message(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH_DELIMITED);
    let place = out.len();
    out.push(0);
    body(out);
    let mut length = groups((out.len() - place - 1) as u64);
    // Most messages are shorter than 128 bytes, so that nothing has to be moved for their length.
    if let (Some(first), Some(byte)) = (out.get_mut(place), length.next()) {
        *first = byte;
    }
    if length.len() > 0 {
        out.splice(place + 1..place + 1, length);
    }
}

/// One field of an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// `int64`, `enum` and the like.
    Integer(u64),
    /// `bytes`, `string` or a message.
    Bytes(&'a [u8]),
    /// A fixed-width number, of no use here.
    Fixed,
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
            VARINT => Field::Integer(self.varint()?),
            FIXED64 => self.take(8).map(|_| Field::Fixed)?,
            LENGTH_DELIMITED => {
                let len = self.varint()?;
                Field::Bytes(self.take(len)?)
            }
            FIXED32 => self.take(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    }
}
