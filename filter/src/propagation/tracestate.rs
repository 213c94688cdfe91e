//! The grammar and the limits of `tracestate`: a list of vendors' entries, most recent first.
//! When it is read at all is `w3c`'s affair; what our own entry says is the sampler's.
//! Spec: <https://www.w3.org/TR/trace-context-2/#tracestate-header>
//!
//! `rojo=00f067aa0ba902b7, congo=t61rcWkgMzE` → `rojo=00f067aa0ba902b7,congo=t61rcWkgMzE`

use super::trim;
use crate::context::TraceState;

/// Most entries that a list may have.
pub const MAX_MEMBERS: usize = 32;
/// Longest list sent onward, in characters: what the specification asks everyone to propagate. A
/// caller's list is copied into every span, so it may not be as long as its sender likes.
pub const MAX_LEN: usize = 512;

/// Entries longer than this many characters go first when a list is too long.
const LONG_MEMBER: usize = 128;
/// Longest key and longest value.
const MAX_PART: usize = 256;

/// Why a `tracestate` is invalid. The whole list is dropped; `traceparent` is unharmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceStateError {
    /// More than [`MAX_MEMBERS`] entries.
    #[error("tracestate has more than 32 entries")]
    TooMany,
    /// An entry without `=`.
    #[error("tracestate entry has no `=`")]
    NoValue,
    /// A key outside the grammar.
    #[error("tracestate key is not 1 to 256 of a-z 0-9 _ - * / @, the first of a-z 0-9")]
    Key,
    /// A value outside the grammar.
    #[error("tracestate value is not 1 to 256 printable characters but `,` and `=`, the last no space")]
    Value,
}

/// Parses the values of all `tracestate` headers, in order, as one list. White space around entries
/// and empty entries go; of entries with one key the first stays, the most recent; a list longer than
/// [`MAX_LEN`] loses whole entries, long ones first, then from the end.
///
/// # Errors
/// [`TraceStateError`] names the rule broken. W3C Trace Context Level 2 §3.3.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<TraceState, TraceStateError> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    let entries = values.into_iter().flat_map(|value| value.split(|byte| *byte == b',')).map(trim);
    for (count, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
        if count == MAX_MEMBERS {
            return Err(TraceStateError::TooMany);
        }
        let (key, value) = member(entry)?;
        if members.iter().all(|(earlier, _)| *earlier != key) {
            members.push((key, value));
        }
    }
    Ok(join(members))
}

impl TraceState {
    /// The value of `key`, if it is in the list.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.members().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The list with `key` set to `value` and at its head, where a modified entry belongs. If there
    /// are too many entries then, the last goes; if it is too long, as [`parse`] says.
    ///
    /// # Errors
    /// [`TraceStateError`] if `key` or `value` is outside the grammar. W3C Trace Context Level 2 §3.5.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, TraceStateError> {
        let own = (check_key(key.as_bytes())?, check_value(value.as_bytes())?);
        let others = self.members().filter(|(name, _)| *name != key);
        Ok(join(std::iter::once(own).chain(others).take(MAX_MEMBERS).collect()))
    }

    /// The list without `key`.
    pub fn without(&self, key: &str) -> Self {
        join(self.members().filter(|(name, _)| *name != key).collect())
    }

    fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split(',').filter_map(|member| member.split_once('='))
    }
}

fn member(entry: &[u8]) -> Result<(&str, &str), TraceStateError> {
    let mut parts = entry.splitn(2, |byte| *byte == b'=');
    let key = check_key(parts.next().unwrap_or_default())?;
    Ok((key, check_value(parts.next().ok_or(TraceStateError::NoValue)?)?))
}

fn check_key(key: &[u8]) -> Result<&str, TraceStateError> {
    let starts_well = key.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let valid = starts_well && key.len() <= MAX_PART && key.iter().all(allowed);
    ascii(key).filter(|_| valid).ok_or(TraceStateError::Key)
}

fn check_value(value: &[u8]) -> Result<&str, TraceStateError> {
    let ends_well = value.last().is_some_and(|byte| *byte != b' ');
    let allowed = |byte: &u8| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'=');
    let valid = ends_well && value.len() <= MAX_PART && value.iter().all(allowed);
    ascii(value).filter(|_| valid).ok_or(TraceStateError::Value)
}

fn ascii(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text).ok()
}

fn join(mut members: Vec<(&str, &str)>) -> TraceState {
    let size = |(key, value): &(&str, &str)| key.len() + 1 + value.len();
    let mut len = members.iter().map(size).sum::<usize>() + members.len().saturating_sub(1);
    while len > MAX_LEN {
        let long = members.iter().rposition(|member| size(member) > LONG_MEMBER);
        let Some(last) = long.or(members.len().checked_sub(1)) else { break };
        len = len.saturating_sub(size(&members.remove(last)) + 1);
    }
    let mut list = String::with_capacity(len);
    for (key, value) in members {
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(key);
        list.push('=');
        list.push_str(value);
    }
    TraceState(list)
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn parsed(list: &str) -> Result<String, TraceStateError> {
        parse([list.as_bytes()]).map(|state| state.as_str().to_owned())
    }

    #[test]
    fn rule_12_the_grammar_is_kept() {
        use TraceStateError::{Key, NoValue, Value};
        let long = |len| "z".repeat(len);
        let rows = [
            ("foo=1,bar=2".to_owned(), Ok(()), "two members"),
            ("az09_-*/@=1".to_owned(), Ok(()), "every kind of key character"),
            ("0=1".to_owned(), Ok(()), "a key may begin with a digit"),
            ("foo@=1,a@b@c=2,t@vvvvvvvvvvvvvvv=3".to_owned(), Ok(()), "Level 2: @ is a character as others"),
            (
                (' '..='~').filter(|c| !",=".contains(*c)).fold("k=".to_owned(), |s, c| s + &c.to_string()),
                Ok(()),
                "every value character",
            ),
            (format!("{}=1", long(256)), Ok(()), "a key of 256"),
            (format!("{}=1", long(257)), Err(Key), "a key of 257"),
            (format!("k={}", long(256)), Ok(()), "a value of 256"),
            (format!("k={}", long(257)), Err(Value), "a value of 257"),
            ("foo".to_owned(), Err(NoValue), "no value"),
            ("=1".to_owned(), Err(Key), "no key"),
            ("foo=,bar=2".to_owned(), Err(Value), "an empty value"),
            ("foo= ".to_owned(), Err(Value), "a value of white space"),
            ("foo=1=2".to_owned(), Err(Value), "two equals signs"),
            ("foo =1".to_owned(), Err(Key), "a space in a key"),
            ("FOO=1".to_owned(), Err(Key), "an upper-case key"),
            ("foo.bar=1".to_owned(), Err(Key), "a dot in a key"),
            ("@foo=1".to_owned(), Err(Key), "a key that begins with @"),
            ("_foo=1".to_owned(), Err(Key), "a key that begins with a mark"),
            ("foo=a\tb".to_owned(), Err(Value), "a tab in a value"),
            ("foo=\u{7f}".to_owned(), Err(Value), "a control character"),
            ("foo=\u{e9}".to_owned(), Err(Value), "not ASCII"),
            ("ok=1,foo".to_owned(), Err(NoValue), "one bad member drops all"),
        ];
        for (list, expected, reason) in rows {
            assert_eq!(parsed(&list), expected.map(|()| list.clone()), "{reason}");
        }
    }

    #[test]
    fn rules_10_11_lists_are_joined_and_cleaned() {
        let rows: [(&[&str], &str, &str); 7] = [
            (&["a=1", "b=2", "c=3"], "a=1,b=2,c=3", "several headers, in order"),
            (&["", "a=1,,", " ,\t", "b=2"], "a=1,b=2", "empty members and headers"),
            (&["a=1 \t , \t b=2,\tc= 3 "], "a=1,b=2,c= 3", "white space around members, not before values"),
            (&["a=1,b=2,a=3"], "a=1,b=2", "of one key twice, the first is the most recent"),
            (&["a=1", "a=1"], "a=1", "also over several headers"),
            (&[], "", "no header"),
            (&[",,, ,"], "", "nothing but empty members"),
        ];
        for (values, expected, reason) in rows {
            let state = parse(values.iter().map(|value| value.as_bytes()));
            assert_eq!(state.map(|state| state.as_str().to_owned()).as_deref(), Ok(expected), "{reason}");
        }
        let list = |members| (0..members).map(|n| format!("k{n}={n}")).collect::<Vec<_>>().join(",");
        assert!(parsed(&list(32)).is_ok(), "32 members are allowed");
        assert_eq!(parsed(&list(33)), Err(TraceStateError::TooMany));
        assert!(parsed(&list(32).replace(',', ",,")).is_ok(), "empty members do not count");
    }

    #[test]
    fn rule_13_whole_entries_go_when_a_list_is_too_long() {
        type Row<'a> = (&'a [(char, usize)], &'a str, &'a str);
        let entry = |key: char, len: usize| format!("{key}={}", "v".repeat(len - 2));
        let list = |sizes: &[(char, usize)]| {
            sizes.iter().map(|(key, len)| entry(*key, *len)).collect::<Vec<_>>().join(",")
        };
        let rows: [Row<'_>; 7] = [
            (
                &[('a', 127), ('b', 127), ('c', 127), ('d', 128), ('e', 9)],
                "abcd",
                "512 are left, commas and all",
            ),
            (&[('a', 255), ('b', 256)], "ab", "512 characters are propagated"),
            (&[('a', 256), ('b', 256)], "a", "513 are not; of two long ones the last goes"),
            (&[('a', 128), ('b', 129), ('c', 128), ('d', 128)], "acd", "longer than 128 goes first"),
            (&[('a', 200), ('b', 100), ('c', 200), ('d', 100)], "abd", "no more than needed"),
            (&[('a', 128), ('b', 128), ('c', 128), ('d', 128)], "abc", "then from the end"),
            (
                &[('a', 100), ('b', 128), ('c', 128), ('d', 128), ('e', 9), ('f', 128)],
                "abcde",
                "from the end",
            ),
        ];
        for (sizes, kept, reason) in rows {
            let state = parsed(&list(sizes)).expect(reason);
            let keys: String = state.split(',').filter_map(|member| member.chars().next()).collect();
            assert_eq!(keys, kept, "{reason}");
        }
        assert_eq!(
            parsed(&format!("{}={}", "k".repeat(256), "v".repeat(256))).as_deref(),
            Ok(""),
            "alone too long"
        );
    }

    #[test]
    fn rules_11_13_a_modified_key_moves_to_the_head() {
        let full = (0..32).map(|n| format!("k{n}={n}")).collect::<Vec<_>>().join(",");
        let rows = [
            ("", "ot", "th:0", Ok("ot=th:0"), "the first entry"),
            ("a=1,b=2", "ot", "th:0", Ok("ot=th:0,a=1,b=2"), "a new entry goes to the left"),
            ("a=1,ot=rv:1,b=2", "ot", "th:0", Ok("ot=th:0,a=1,b=2"), "a modified one too"),
            ("a=1", "Ot", "1", Err(TraceStateError::Key), "keys are checked"),
            ("a=1", "ot", "1 ", Err(TraceStateError::Value), "values are checked"),
        ];
        for (list, key, value, expected, reason) in rows {
            let state = parse([list.as_bytes()]).expect(reason).with(key, value);
            assert_eq!(state.as_ref().map(TraceState::as_str), expected.as_ref().copied(), "{reason}");
            assert_eq!(
                state.ok().and_then(|s| s.value(key).map(str::to_owned)),
                expected.ok().map(|_| value.to_owned())
            );
        }
        let state = parse([full.as_bytes()]).unwrap().with("ot", "1").unwrap();
        assert_eq!(state.value("k30"), Some("30"));
        assert_eq!(state.value("k31"), None, "the 33rd member drops the right-most");
    }
}
