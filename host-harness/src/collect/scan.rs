//! An export request's bytes, looked through without being decoded: whether they may be kept as they came.
//! A receiver that decoded every request would spend most of its time, and a hundred times the request's size,
//! on a structure that nobody asks for.
//! Spec: <https://protobuf.dev/programming-guides/encoding/>
//! `0a 00` → one resource without spans; `0a 01` → cut off

use std::str::from_utf8;

/// How deep messages may be nested: below the limit of those that will decode them, which is 100.
const MAX_DEPTH: usize = 64;

/// What an encoded request holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Spans, unfit ones included.
    pub spans: u64,
    /// Spans with an id of the wrong length, or all zero.
    pub unfit: u64,
    /// Messages of any kind: what decoding would have to allocate for.
    pub messages: u64,
}

/// Why bytes are no encoded request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// A field, or a length, ends behind the message's end.
    #[error("it is cut off")]
    CutOff,
    /// A number of more than 64 bits.
    #[error("it has a number of more than 64 bits")]
    Number,
    /// A field's key with a number or a type that the encoding does not have.
    #[error("it has the key {0:#x}, which is none")]
    Key(u64),
    /// A field that is known, but not with this type.
    #[error("field {field} of {message} has wire type {found}, expected {expected}")]
    Type {
        /// The message's name.
        message: &'static str,
        /// The field's number.
        field: u64,
        /// The wire type as found, 0 to 5.
        found: u8,
        /// The wire type of the schema.
        expected: u8,
    },
    /// A text that is none.
    #[error("field {field} of {message} is not UTF-8")]
    Text {
        /// The message's name.
        message: &'static str,
        /// The field's number.
        field: u64,
    },
    /// Values within values, without end.
    #[error("its messages are nested more than {MAX_DEPTH} deep")]
    Depth,
}

/// Looks through an encoded `ExportTraceServiceRequest`. What passes, decodes.
///
/// # Errors
/// [`ScanError`] names the first thing that is wrong.
pub fn scan(request: &[u8]) -> Result<Scan, ScanError> {
    let mut scan = Scan::default();
    message(request, Message::Request, 0, &mut scan)?;
    Ok(scan)
}

/// The messages of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Request,
    ResourceSpans,
    Resource,
    EntityRef,
    ScopeSpans,
    Scope,
    Span,
    Event,
    Link,
    Status,
    KeyValue,
    AnyValue,
    ArrayValue,
    KeyValueList,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Varint,
    Fixed64,
    Fixed32,
    Text,
    Bytes,
    Message(Message),
}

impl Kind {
    const fn wire_type(self) -> u8 {
        match self {
            Self::Varint => 0,
            Self::Fixed64 => 1,
            Self::Text | Self::Bytes | Self::Message(_) => 2,
            Self::Fixed32 => 5,
        }
    }
}

impl Message {
    const fn name(self) -> &'static str {
        match self {
            Self::Request => "ExportTraceServiceRequest",
            Self::ResourceSpans => "ResourceSpans",
            Self::Resource => "Resource",
            Self::EntityRef => "EntityRef",
            Self::ScopeSpans => "ScopeSpans",
            Self::Scope => "InstrumentationScope",
            Self::Span => "Span",
            Self::Event => "Span.Event",
            Self::Link => "Span.Link",
            Self::Status => "Status",
            Self::KeyValue => "KeyValue",
            Self::AnyValue => "AnyValue",
            Self::ArrayValue => "ArrayValue",
            Self::KeyValueList => "KeyValueList",
        }
    }

    /// What the field of this number holds; `None` for one that is not known, which is passed over.
    const fn field(self, number: u64) -> Option<Kind> {
        use Kind::{Bytes, Fixed32, Fixed64, Text, Varint};
        Some(match (self, number) {
            (Self::Request, 1) => Kind::Message(Self::ResourceSpans),
            (Self::ResourceSpans, 1) => Kind::Message(Self::Resource),
            (Self::ResourceSpans, 2) => Kind::Message(Self::ScopeSpans),
            (Self::Resource, 1) => Kind::Message(Self::KeyValue),
            (Self::Resource, 3) => Kind::Message(Self::EntityRef),
            (Self::ScopeSpans, 1) => Kind::Message(Self::Scope),
            (Self::ScopeSpans, 2) => Kind::Message(Self::Span),
            (Self::Span, 9) | (Self::Scope | Self::Event, 3) | (Self::Link, 4) => {
                Kind::Message(Self::KeyValue)
            }
            (Self::Span, 11) => Kind::Message(Self::Event),
            (Self::Span, 13) => Kind::Message(Self::Link),
            (Self::Span, 15) => Kind::Message(Self::Status),
            (Self::KeyValue, 2) | (Self::ArrayValue, 1) => Kind::Message(Self::AnyValue),
            (Self::KeyValueList, 1) => Kind::Message(Self::KeyValue),
            (Self::AnyValue, 5) => Kind::Message(Self::ArrayValue),
            (Self::AnyValue, 6) => Kind::Message(Self::KeyValueList),
            (Self::ResourceSpans | Self::ScopeSpans | Self::Span | Self::Link, 3)
            | (Self::EntityRef, 1..=4)
            | (Self::Scope, 1 | 2)
            | (Self::Span, 5)
            | (Self::Event | Self::Status, 2)
            | (Self::KeyValue | Self::AnyValue, 1) => Text,
            (Self::Span, 1 | 2 | 4) | (Self::Link, 1 | 2) | (Self::AnyValue, 7) => Bytes,
            (Self::Span, 7 | 8) | (Self::Event, 1) | (Self::AnyValue, 4) => Fixed64,
            (Self::Span, 16) | (Self::Link, 6) => Fixed32,
            (Self::Resource, 2)
            | (Self::Scope | Self::Event, 4)
            | (Self::Span, 6 | 10 | 12 | 14)
            | (Self::Link, 5)
            | (Self::Status | Self::KeyValue, 3)
            | (Self::AnyValue, 2 | 3 | 8) => Varint,
            _ => return None,
        })
    }
}

/// Which of a span's ids are as they must be; of a field that comes twice, the last one counts.
#[derive(Debug, Default)]
struct Ids {
    trace: bool,
    span: bool,
    is_parent_wrong: bool,
}

impl Ids {
    fn take(&mut self, field: u64, id: &[u8]) {
        let fits = |length| id.len() == length && id.iter().any(|&byte| byte != 0);
        match field {
            1 => self.trace = fits(16),
            2 => self.span = fits(8),
            4 => self.is_parent_wrong = !id.is_empty() && !fits(8),
            _ => {}
        }
    }

    fn are_fit(&self) -> bool {
        self.trace && self.span && !self.is_parent_wrong
    }
}

fn message(mut bytes: &[u8], kind: Message, depth: usize, scan: &mut Scan) -> Result<(), ScanError> {
    if depth > MAX_DEPTH {
        return Err(ScanError::Depth);
    }
    scan.messages += 1;
    let mut ids = Ids::default();
    while !bytes.is_empty() {
        let (field, found) = key(&mut bytes)?;
        let expected = kind.field(field);
        if let Some(expected) = expected.map(Kind::wire_type).filter(|expected| *expected != found) {
            return Err(ScanError::Type { message: kind.name(), field, found, expected });
        }
        let value = value(&mut bytes, found)?;
        match expected {
            Some(Kind::Message(inner)) => message(value, inner, depth + 1, scan)?,
            Some(Kind::Text) => {
                from_utf8(value).map_err(|_| ScanError::Text { message: kind.name(), field })?;
            }
            Some(Kind::Bytes) if kind == Message::Span => ids.take(field, value),
            _ => {}
        }
    }
    if kind == Message::Span {
        scan.spans += 1;
        scan.unfit += u64::from(!ids.are_fit());
    }
    Ok(())
}

/// Takes a field's number and its wire type off.
pub(crate) fn key(bytes: &mut &[u8]) -> Result<(u64, u8), ScanError> {
    let key = varint(bytes)?;
    let (field, wire_type) = (key >> 3, (key & 7) as u8);
    if field == 0 || key > u64::from(u32::MAX) || !matches!(wire_type, 0 | 1 | 2 | 5) {
        return Err(ScanError::Key(key));
    }
    Ok((field, wire_type))
}

/// Takes a value off; of a number nothing is left to look at.
pub(crate) fn value<'a>(bytes: &mut &'a [u8], wire_type: u8) -> Result<&'a [u8], ScanError> {
    let length = match wire_type {
        0 => return varint(bytes).map(|_| [].as_slice()),
        1 => 8,
        5 => 4,
        _ => usize::try_from(varint(bytes)?).map_err(|_| ScanError::CutOff)?,
    };
    let (value, rest) = bytes.split_at_checked(length).ok_or(ScanError::CutOff)?;
    *bytes = rest;
    Ok(value)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, ScanError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(ScanError::CutOff)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            // The tenth byte has room for one bit.
            return if shift == 63 && byte > 1 { Err(ScanError::Number) } else { Ok(number) };
        }
    }
    Err(ScanError::Number)
}

#[cfg(test)]
mod tests;
