//! Patterns of hosts, header values and route names: text in which `*` stands for anything.
//!
//! `api.*` → `api.example`, and `api.`

/// Text in which each `*` stands for any bytes, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern as it is written.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether all of `text` fits, with regard to case.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.fits(text, <[u8]>::eq)
    }

    /// Whether all of `text` fits, without regard to ASCII case.
    pub fn matches_in_any_case(&self, text: &[u8]) -> bool {
        self.fits(text, <[u8]>::eq_ignore_ascii_case)
    }

    /// What stands before the first `*` begins `text`, what stands after the last one ends it, and
    /// the parts between are found one after the other, each as early as possible.
    fn fits(&self, text: &[u8], same: fn(&[u8], &[u8]) -> bool) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return same(self.0.as_bytes(), text) };
        let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        let starts =
            |text: &[u8], part: &str| text.get(..part.len()).is_some_and(|t| same(t, part.as_bytes()));
        let Some(mut text) = text.get(first.len()..).filter(|_| starts(text, first)) else { return false };
        for part in middle.split('*') {
            while !starts(text, part) {
                let [_, tail @ ..] = text else { return false };
                text = tail;
            }
            text = text.get(part.len()..).unwrap_or_default();
        }
        text.len().checked_sub(last.len()).and_then(|at| text.get(at..)).is_some_and(|end| starts(end, last))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let cases: [(&str, &[u8], bool, &str); 22] = [
            ("web", b"web", true, "without a star it is the text"),
            ("web", b"web2", false, "all of it"),
            ("web", b"", false, "and not less"),
            ("", b"", true, "nothing is nothing"),
            ("", b"web", false, "and nothing else"),
            ("*", b"", true, "a star is also nothing"),
            ("*", b"\xff\x00", true, "or any bytes"),
            ("api.*", b"api.example", true, "at the end"),
            ("api.*", b"api.", true, "of which nothing may be left"),
            ("api.*", b"xapi.example", false, "but not before"),
            ("*.local", b"web.local", true, "at the beginning"),
            ("*.local", b"web.local.", false, "but not after"),
            ("a*a", b"a", false, "beginning and end do not overlap"),
            ("a*a", b"aa", true, "but may touch"),
            ("a*b*c", b"a-b-c", true, "in the middle"),
            ("a*b*c", b"a-c-b", false, "in order"),
            ("*b*", b"abc", true, "around"),
            ("*b*", b"ac", false, "and it has to be there"),
            ("*ab*abc", b"ababc", true, "the first place that does leaves room"),
            ("*abc*", b"ababc", true, "a false start"),
            ("a**c", b"abc", true, "two stars are as one"),
            ("a?c", b"abc", false, "a question mark is itself"),
        ];
        for (pattern, text, expected, reason) in cases {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern}: {reason}");
        }
    }

    #[test]
    fn case_counts_where_it_is_asked_for() {
        let pattern = Pattern::new("Api.*.Local");
        assert!(!pattern.matches(b"api.web.local"));
        assert!(pattern.matches_in_any_case(b"aPI.web.LOCAL"));
        assert!(!pattern.matches_in_any_case(b"aPI.web.LOCALS"));
    }
}
