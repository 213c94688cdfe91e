//! What went wrong in a handshake, in words that say what to mend.

use std::{error::Error as StdError, fmt, io};

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::WrongIdentity;

const SEE_LOG: &str = "see the peer's log";

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// What happened.
    pub what: String,
    /// What to check.
    pub advice: &'static str,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.what, self.advice)
    }
}

/// What TLS has to say of an error: of its innermost cause that is one of TLS; `None` if there is none.
pub fn fault(error: &(dyn StdError + 'static)) -> Option<TlsFault> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(explain(error));
        }
        // Its own source is the source of the error in it.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next: Option<&(dyn StdError + 'static)> = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
        if next.is_none() {
            return alert_in(&error.to_string());
        }
        cause = next;
    }
    None
}

/// An alert of which only the text is left: HTTP/2 keeps no more of an error.
fn alert_in(text: &str) -> Option<TlsFault> {
    let name = text.strip_prefix("received fatal alert: ")?;
    let known = [
        AlertDescription::AccessDenied,
        AlertDescription::BadCertificate,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateRequired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::UnrecognisedName,
    ];
    let alert = known.into_iter().find(|alert| format!("{alert:?}") == name);
    Some(TlsFault {
        what: format!("the peer refused: {}", words(name)),
        advice: alert.map_or(SEE_LOG, alert_advice),
    })
}

fn explain(error: &Error) -> TlsFault {
    let (what, advice) = match error {
        Error::InvalidCertificate(problem) => return certificate(problem),
        Error::InvalidMessage(_) => (
            "the peer does not speak TLS".to_owned(),
            "check the port, or use http:// if plain text is meant",
        ),
        Error::NoCertificatesPresented => {
            ("the peer presented no certificate".to_owned(), "it has to be given one with its key")
        }
        Error::AlertReceived(alert) => {
            (format!("the peer refused: {}", words(&format!("{alert:?}"))), alert_advice(*alert))
        }
        Error::NoApplicationProtocol => {
            ("the peer speaks neither version of HTTP".to_owned(), "check the port")
        }
        other => (other.to_string(), "check that both sides speak TLS 1.2 or 1.3"),
    };
    TlsFault { what, advice }
}

fn certificate(problem: &CertificateError) -> TlsFault {
    let (what, advice) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (problem.to_string(), "renew the peer's certificate, or check the clock here")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (problem.to_string(), "check the clock here and where the certificate was made")
        }
        CertificateError::UnknownIssuer => (
            "the peer's certificate is signed by nobody who is believed here".to_owned(),
            "give the certificate of its authority",
        ),
        CertificateError::BadSignature => (
            "the peer's certificate is not signed by the authority that is believed here".to_owned(),
            "another one has the same name: give the certificate of the right one",
        ),
        CertificateError::Other(OtherError(other)) if other.is::<WrongIdentity>() => {
            (other.to_string(), "check the identity that is expected, or who listens there")
        }
        other => (format!("the peer's certificate cannot be used: {other}"), "see how it was made"),
    };
    TlsFault { what, advice }
}

/// The words of RFC 8446 §6.2.
fn words(name: &str) -> String {
    let (mut words, mut ends_low) = (String::new(), false);
    for character in name.chars() {
        if ends_low && character.is_ascii_uppercase() {
            words.push('_');
        }
        ends_low = character.is_ascii_lowercase();
        words.push(character.to_ascii_lowercase());
    }
    words
}

fn alert_advice(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => "give a certificate and its key for mutual TLS",
        AlertDescription::CertificateExpired => "renew the certificate that is shown to it",
        AlertDescription::UnknownCA => "show it a certificate of an authority that it believes",
        AlertDescription::CertificateUnknown | AlertDescription::AccessDenied => {
            "check that the identity in the certificate is allowed there"
        }
        AlertDescription::UnrecognisedName => "check the name that is asked for",
        _ => SEE_LOG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_known_by_its_text_where_nothing_else_is_left() {
        for (text, expected) in [
            ("received fatal alert: CertificateRequired", "certificate_required; give a certificate"),
            ("received fatal alert: UnknownCA", "unknown_ca; show it a certificate"),
            ("received fatal alert: DecryptError", "decrypt_error; see the peer's log"),
        ] {
            let error = io::Error::other(text);
            assert!(fault(&error).unwrap().to_string().contains(expected), "{text}");
        }
        assert_eq!(fault(&io::Error::other("connection refused")), None);
    }
}
