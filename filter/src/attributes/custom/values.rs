//! What one request has of the attributes that operators ask for, noted as it becomes known: at its
//! head, at the response's head, at the stream's end.

use std::borrow::Cow;
use std::rc::Rc;

use super::{Source, SpanShape};
use crate::attributes::{Attributes, Value};
use crate::headers::Headers;

/// The values so far, the same for both spans.
#[derive(Debug)]
pub struct CustomValues {
    shape: Rc<SpanShape>,
    attributes: Attributes,
    has_response: bool,
}

impl CustomValues {
    /// The values that the request's head gives.
    pub fn of_request(shape: &Rc<SpanShape>, headers: &Headers<'_>) -> Self {
        let mut attributes = Attributes::default();
        for attribute in &shape.attributes {
            attributes.set_some(&attribute.key, attribute.of_request(headers, &shape.query).map(Value::Str));
        }
        for header in &shape.request_headers {
            header.record(headers, &shape.query, &mut attributes);
        }
        Self { shape: Rc::clone(shape), attributes, has_response: false }
    }

    /// Whether the response's head gives any.
    pub fn wants_response(&self) -> bool {
        let is_of_response = |source: &Source| matches!(source, Source::ResponseHeader(_));
        let mut sources = self.shape.attributes.iter().map(|attribute| &attribute.source);
        !self.shape.response_headers.is_empty() || sources.any(is_of_response)
    }

    /// Takes in the response's head; a second one, or none, changes nothing.
    pub fn record_response(&mut self, headers: &Headers<'_>) {
        if std::mem::replace(&mut self.has_response, true) {
            return;
        }
        for attribute in &self.shape.attributes {
            let value = attribute.of_response(headers, &self.shape.query).map(Value::Str);
            self.attributes.set_some(&attribute.key, value);
        }
        for header in &self.shape.response_headers {
            header.record(headers, &self.shape.query, &mut self.attributes);
        }
    }

    /// Takes in what the proxy knows at the end, by the paths of its properties.
    pub fn record_properties<P: AsRef<[u8]>>(&mut self, property: impl Fn(&str) -> Option<P>) {
        for attribute in &self.shape.attributes {
            let Source::Property(path) = &attribute.source else { continue };
            let bytes = property(path);
            let shown = match (&bytes, attribute.part) {
                (Some(bytes), Some(part)) => part.show(bytes.as_ref(), &self.shape.query).map(Cow::Owned),
                (bytes, _) => bytes.as_ref().map(|bytes| Cow::Borrowed(bytes.as_ref())),
            };
            let found = shown.as_deref().and_then(read_property);
            let value = found.or_else(|| attribute.default.as_deref().map(Value::from));
            self.attributes.set_some(&attribute.key, value);
        }
    }

    /// All values, once the stream has ended: without a response its defaults are among them.
    pub fn finish(mut self) -> Attributes {
        self.record_response(&Headers::default());
        self.attributes
    }
}

/// A property's value as Envoy writes it: text, eight bytes of a whole number, one of a boolean. Whole
/// maps and messages are no attribute's value.
fn read_property(bytes: &[u8]) -> Option<Value<'_>> {
    let is_text = |text: &&str| !text.is_empty() && !text.contains(|c: char| c.is_ascii_control());
    if let Some(text) = std::str::from_utf8(bytes).ok().filter(is_text) {
        return Some(Value::from(text));
    }
    match bytes {
        [0] => Some(Value::from("false")),
        [1] => Some(Value::from("true")),
        _ => Some(Value::Int(i64::from_le_bytes(bytes.try_into().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn properties_are_texts_numbers_and_booleans() {
        let cases: [(&[u8], Option<Value<'_>>, &str); 8] = [
            (b"eu-1a", Some(Value::from("eu-1a")), "a text"),
            ("é".as_bytes(), Some(Value::from("é")), "not ASCII"),
            (&200_i64.to_le_bytes(), Some(Value::Int(200)), "a number"),
            (&(-1_i64).to_le_bytes(), Some(Value::Int(-1)), "below zero"),
            (b"\x01", Some(Value::from("true")), "a boolean"),
            (b"\x00", Some(Value::from("false")), "the other"),
            (b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0", None, "a map"),
            (b"", None, "empty"),
        ];
        for (bytes, expected, reason) in cases {
            assert_eq!(read_property(bytes), expected, "{reason}");
        }
    }
}
