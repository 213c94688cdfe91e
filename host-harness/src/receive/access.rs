//! Who may send: whoever bears the token.
//! Spec: <https://www.rfc-editor.org/rfc/rfc6750#section-2.1>

use std::fmt::{self, Debug, Formatter};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const SCHEME: &str = "bearer ";

/// A secret that senders share with the receiver; only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Nothing but white space.
    #[error("the token is empty, expected at least one character")]
    Empty,
    /// Something that a header cannot carry.
    #[error("the token has a character that a header cannot carry, expected printable ASCII without spaces")]
    Character,
}

impl Token {
    /// The token in a file or a variable: its text without white space around it.
    ///
    /// # Errors
    /// [`TokenError`] if no header can carry it.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        match text {
            "" => Err(TokenError::Empty),
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(TokenError::Character),
            _ => Ok(Self(Sha256::digest(text).into())),
        }
    }

    /// Whether a request carries it. Takes as long for a token that is nearly right as for any other.
    pub(super) fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let borne = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
        let Some((scheme, token)) = borne.split_at_checked(SCHEME.len()) else { return false };
        let hash: [u8; 32] = Sha256::digest(token.trim_ascii()).into();
        scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) && bool::from(hash.ct_eq(&self.0))
    }
}

impl Debug for Token {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_the_token_opens() {
        let token = Token::new(" s3cret\n").unwrap();
        let cases: &[(Option<&[u8]>, bool, &str)] = &[
            (Some(b"Bearer s3cret"), true, "as RFC 6750 writes it"),
            (Some(b"bearer  s3cret"), true, "the scheme's case and spaces do not count"),
            (Some(b"Bearer s3creT"), false, "the token's case does"),
            (Some(b"Bearer s3cret2"), false, "longer"),
            (Some(b"Bearer s3cre"), false, "shorter"),
            (Some(b"Bearer "), false, "empty"),
            (Some(b"Bearer"), false, "no token"),
            (Some(b"Basic s3cret"), false, "another scheme"),
            (Some(b"s3cret"), false, "no scheme"),
            (Some(b"Bearer \xff"), false, "not text"),
            (None, false, "no header"),
        ];
        for (value, expected, reason) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(token.is_borne_by(&headers), *expected, "{reason}");
        }
        assert!(!format!("{token:?}").contains("s3cret"), "it is not logged");
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        assert_eq!(Token::new(" \n"), Err(TokenError::Empty));
        assert_eq!(Token::new("a b"), Err(TokenError::Character));
        assert_eq!(Token::new("ü"), Err(TokenError::Character));
    }
}
