//! Path templates: what a path is called when its variable parts are left out.
//! Spec: <https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md#name>
//! `/users/{id}` → `/users/42` is of route `/users/{id}`

/// Why a text is not a path template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Does not begin with `/`.
    #[error("does not begin with /")]
    NoSlash,
    /// Has a query or a fragment.
    #[error("has a ? or #, expected a path alone")]
    NotPath,
    /// A brace that is not around a whole segment, or with nothing inside.
    #[error("has a brace that is not around a whole segment such as {{id}}")]
    Brace,
}

/// A path with variable segments: `/users/{id}/orders`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(String);

impl PathTemplate {
    /// Parses a path in which a whole segment in braces stands for any one that is not empty.
    ///
    /// # Errors
    /// [`TemplateError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let segments = text.strip_prefix('/').ok_or(TemplateError::NoSlash)?;
        if text.contains(['?', '#']) {
            return Err(TemplateError::NotPath);
        }
        let is_sound = |segment: &str| {
            let inner = variable(segment).unwrap_or(segment);
            !inner.contains(['{', '}']) && segment != "{}"
        };
        if !segments.split('/').all(is_sound) {
            return Err(TemplateError::Brace);
        }
        Ok(Self(text.to_owned()))
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path`, without query, is of this template.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut parts = path.split(|byte| *byte == b'/');
        let fits = |segment: &str| match (parts.next(), variable(segment)) {
            (Some(part), Some(_)) => !part.is_empty(),
            (Some(part), None) => part == segment.as_bytes(),
            (None, _) => false,
        };
        self.0.split('/').all(fits) && parts.next().is_none()
    }
}

/// What stands in the braces of `{id}`.
fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn templates_name_what_is_wrong_with_them() {
        let cases = [
            ("/", Ok(()), "the root"),
            ("/users/{id}/orders", Ok(()), "a variable in the middle"),
            ("/users/", Ok(()), "a slash at the end is a segment of its own"),
            ("users", Err(TemplateError::NoSlash), "no path"),
            ("", Err(TemplateError::NoSlash), "nothing"),
            ("/users?id={id}", Err(TemplateError::NotPath), "a query"),
            ("/a#b", Err(TemplateError::NotPath), "a fragment"),
            ("/users/{id", Err(TemplateError::Brace), "not closed"),
            ("/users/x{id}", Err(TemplateError::Brace), "a part of a segment"),
            ("/users/{}", Err(TemplateError::Brace), "no name"),
            ("/users/{{id}}", Err(TemplateError::Brace), "twice"),
        ];
        for (text, expected, reason) in cases {
            assert_eq!(PathTemplate::parse(text).map(|_| ()), expected, "{reason}");
        }
    }

    #[test]
    fn rule_28_a_variable_is_any_one_segment() {
        let cases: [(&str, &[u8], bool, &str); 9] = [
            ("/users/{id}", b"/users/42", true, "a number"),
            ("/users/{id}", b"/users/\xff", true, "any bytes"),
            ("/users/{id}", b"/users/", false, "an empty segment"),
            ("/users/{id}", b"/users", false, "too few segments"),
            ("/users/{id}", b"/users/42/orders", false, "too many segments"),
            ("/users/{id}", b"/Users/42", false, "paths have case"),
            ("/users/{id}/orders", b"/users/42/orders", true, "in the middle"),
            ("/", b"/", true, "the root"),
            ("/", b"", false, "CONNECT has no path"),
        ];
        for (template, path, expected, reason) in cases {
            assert_eq!(PathTemplate::parse(template).unwrap().matches(path), expected, "{reason}");
        }
    }
}
