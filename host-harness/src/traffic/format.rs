//! Which formats of recorded traffic there are, and how a file's own is found out: by its first
//! bytes, and by its name where these leave it open.
//!
//! `{"log":{"version":"1.2",…` → har

use std::fmt;
use std::str::FromStr;

use super::detect;

/// A format of recorded traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Our own: an exchange a line.
    JsonLines,
    /// HAR 1.2, as browsers and proxies export it.
    Har,
    /// Envoy's tap as JSON: `JSON_BODY_AS_BYTES` and `JSON_BODY_AS_STRING`, one trace or many.
    TapJson,
    /// Envoy's tap as `PROTO_BINARY`: one trace a file.
    TapBinary,
    /// Envoy's tap as `PROTO_BINARY_LENGTH_DELIMITED`.
    TapDelimited,
    /// An access log with a JSON object a line, as Envoy and Istio write it.
    AccessLog,
    /// GoReplay's files.
    GoReplay,
    /// vegeta's targets in JSON Lines.
    VegetaJson,
    /// vegeta's targets in the format `http`.
    VegetaHttp,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::JsonLines,
        Self::Har,
        Self::TapJson,
        Self::TapBinary,
        Self::TapDelimited,
        Self::AccessLog,
        Self::GoReplay,
        Self::VegetaJson,
        Self::VegetaHttp,
    ];

    /// As it is written on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Har => "har",
            Self::TapJson => "tap-json",
            Self::TapBinary => "tap-binary",
            Self::TapDelimited => "tap-delimited",
            Self::AccessLog => "access-log",
            Self::GoReplay => "gor",
            Self::VegetaJson => "vegeta-json",
            Self::VegetaHttp => "vegeta-http",
        }
    }

    /// All names, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The format of a file that begins with `head`. `None` if that is not enough to tell; then more
    /// may be, unless the file has ended.
    pub(super) fn of(name: &str, head: &[u8], has_ended: bool) -> Option<Self> {
        detect::by_content(head).or_else(|| if has_ended { detect::by_name(name) } else { None })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| format!("format is {name:?}, expected one of {}", Self::names()))
    }
}
