//! The path below which an ingress shows the viewer: `/traces` → `/traces/search`, `/traces/api/services`

use std::fmt;
use std::str::FromStr;

/// A path without a slash at its end; the default is none at all: the viewer has its host for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Text that is no [`BasePath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no base path: {problem}, expected a path such as /traces")]
pub struct BasePathError {
    found: String,
    problem: &'static str,
}

impl BasePath {
    /// Empty, or with a slash at its start and none at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for BasePath {
    type Err = BasePathError;

    /// `/traces`, `/traces/` or `/`. Only what stands in a URL for itself (RFC 3986 §2.3): nothing is to be
    /// escaped, neither there nor in a page.
    fn from_str(text: &str) -> Result<Self, BasePathError> {
        let error = |problem| BasePathError { found: text.to_owned(), problem };
        let Some(path) = text.strip_prefix('/') else { return Err(error("it does not begin with a slash")) };
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Self::default());
        }
        for segment in path.split('/') {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if matches!(segment, "" | "." | "..") {
                return Err(error("a part of it is empty, . or .."));
            }
            if !segment.bytes().all(is_plain) {
                return Err(error("it has other signs than letters, digits, - . _ and ~"));
            }
        }
        Ok(Self(format!("/{path}")))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused_with_a_reason() {
        let rows = [
            ("/", Ok("")),
            ("/traces", Ok("/traces")),
            ("/traces/", Ok("/traces")),
            ("/ops/traces-2", Ok("/ops/traces-2")),
            ("", Err("does not begin")),
            ("traces", Err("does not begin")),
            ("http://a/traces", Err("does not begin")),
            ("//traces", Err("is empty")),
            ("/a//b", Err("is empty")),
            ("/a/..", Err("..")),
            ("/a b", Err("other signs")),
            ("/{a}", Err("other signs")),
            ("/a?b", Err("other signs")),
            ("/\"><script>", Err("other signs")),
        ];
        for (text, expected) in rows {
            match (text.parse::<BasePath>(), expected) {
                (Ok(base), Ok(path)) => assert_eq!(base.as_str(), path, "{text}"),
                (Err(error), Err(reason)) => assert!(error.to_string().contains(reason), "{error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
