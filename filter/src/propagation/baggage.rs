//! W3C Baggage: the application's own key-value pairs. It is no trace context, so propagation
//! never writes or removes it: it passes byte for byte. Attributes may read it.
//! Spec: <https://www.w3.org/TR/baggage/>
//! `baggage: user.id=alice%20b;secret, tier=gold` → `user.id` is `alice b`

use crate::attributes::url::percent_decode;
use crate::headers::Headers;

/// The header that passes untouched.
pub const NAME: &str = "baggage";

/// The value of the member called `key`, percent-decoded and without its properties; of several the
/// last. Members that are malformed are passed over.
pub fn find(headers: &Headers<'_>, key: &str) -> Option<Vec<u8>> {
    let members = headers.all(NAME).flat_map(|list| list.split(|byte| *byte == b','));
    let value = members.filter_map(parse_member).filter(|(name, _)| *name == key.as_bytes()).last();
    value.map(|(_, value)| percent_decode(value))
}

/// Name and value of `name = value; properties`.
fn parse_member(member: &[u8]) -> Option<(&[u8], &[u8])> {
    let pair = member.split(|byte| *byte == b';').next()?;
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (pair.get(..at)?.trim_ascii(), pair.get(at + 1..)?.trim_ascii());
    (is_token(name) && value.iter().all(|byte| is_octet(*byte))).then_some((name, value))
}

/// RFC 7230's `token`.
fn is_token(name: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_tchar)
}

/// `baggage-octet`: printable ASCII but blank, `"`, `,`, `;` and `\`.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn finds_members_as_the_grammar_has_them() {
        type Row<'a> = (&'a [&'a [u8]], Option<&'a str>, &'a str);
        let cases: [Row<'_>; 14] = [
            (&[b"k=v"], Some("v"), "alone"),
            (&[b"a=1,k=v,b=2"], Some("v"), "among others"),
            (&[b"a=1", b"k=v"], Some("v"), "in a second header"),
            (&[b" k\t=\tv ; p=1;q"], Some("v"), "blanks and properties"),
            (&[b"k=a=b"], Some("a=b"), "an equals sign in the value"),
            (&[b"k="], Some(""), "empty"),
            (&[b"k=alice%20%C3%A9%2C"], Some("alice \u{e9},"), "percent-encoded"),
            (&[b"k=%zz%"], Some("%zz%"), "broken escapes stay"),
            (&[b"k=1,k=2"], Some("2"), "the last of two"),
            (&[b"k=1,k=a b"], Some("1"), "a blank within a value is malformed"),
            (&[b"k=\"v\""], None, "quotes are malformed"),
            (&[b"K=v"], None, "names have a case"),
            (&[b"k", b"=v", b"", b",,;"], None, "no pair"),
            (&[b"k=\xff"], None, "not ASCII"),
        ];
        for (lists, expected, reason) in cases {
            let headers = Headers::new(lists.iter().map(|list| (&b"Baggage"[..], *list)).collect());
            let found = find(&headers, "k").map(|value| String::from_utf8(value).unwrap());
            assert_eq!(found.as_deref(), expected, "{reason}");
        }
    }
}
