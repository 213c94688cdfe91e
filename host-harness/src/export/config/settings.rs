//! Settings as written, and the values that they hold.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::{Compression, ConfigError};

const GENERAL_PREFIX: &str = "OTEL_EXPORTER_OTLP_";
pub(super) const TRACES_PREFIX: &str = "OTEL_EXPORTER_OTLP_TRACES_";

/// A setting and where it was found.
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Setting {
    pub(crate) fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.trim().to_owned() }
    }

    pub(crate) fn invalid(&self, expected: &'static str) -> ConfigError {
        ConfigError::Invalid { setting: self.name.clone(), found: self.value.clone(), expected }
    }
}

pub(super) struct Environment<'a>(pub(super) &'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// The traces form, else the general one. Empty is unset.
    pub(super) fn lookup(&self, name: &str) -> Option<Setting> {
        [TRACES_PREFIX, GENERAL_PREFIX].into_iter().find_map(|prefix| {
            let name = format!("{prefix}{name}");
            let value = (self.0)(&name)?;
            (!value.trim().is_empty()).then(|| Setting::new(&name, &value))
        })
    }

    pub(super) fn parsed<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(setting) = self.lookup(name) else { return Ok(None) };
        parse(&setting.value).map(Some).ok_or_else(|| setting.invalid(expected))
    }
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

pub(crate) fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().filter(|&millis| millis > 0).map(Duration::from_millis)
}

pub(crate) fn compression(text: &str) -> Option<Compression> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Some(Compression::None),
        "gzip" => Some(Compression::Gzip),
        _ => None,
    }
}

/// `name=value,name=value`, percent-encoded as in W3C Baggage but without properties.
pub(crate) fn headers(setting: &Setting) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    let entries = setting.value.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
    for (index, entry) in entries {
        let bad = |problem| ConfigError::Header { setting: setting.name.clone(), entry: index + 1, problem };
        let (name, value) = entry.split_once('=').ok_or_else(|| bad("has no '='"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad("has no header's name"))?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| bad("has no header's value"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
