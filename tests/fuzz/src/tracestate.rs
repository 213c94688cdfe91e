//! `tracestate` and its `ot` entry: the grammar, the limits, and that nothing is lost or made up.

use meshspan_filter::context::TraceState;
use meshspan_filter::propagation::tracestate::{self, MAX_LEN, MAX_MEMBERS};
use meshspan_filter::sampler::OtState;

/// Header values, one a line.
pub fn check(input: &[u8]) {
    let values: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let members = members(&values);
    let valid = members.len() <= MAX_MEMBERS && members.iter().all(|member| is_member(member));
    let parsed = tracestate::parse(values.iter().copied());
    assert_eq!(parsed.is_ok(), valid, "{parsed:?}");
    let Ok(state) = parsed else { return };
    assert_list(&state);
    assert_eq!(tracestate::parse([state.as_str().as_bytes()]).as_ref(), Ok(&state), "stable");
    let mut came = members.iter();
    for member in list(&state) {
        assert!(came.any(|one| *one == member.as_bytes()), "{member} did not come, or moved");
    }
    check_ot(&state);
}

fn check_ot(state: &TraceState) {
    if let Some(ot) = OtState::of(state) {
        let text = ot.to_text();
        assert!(text.len() <= 256);
        let again = OtState::parse(&text);
        assert_eq!(again.randomness, ot.randomness, "rule 25: rv is never lost");
        assert_eq!(again.to_text(), text);
    }
    let with = state.with("ot", "th:0").expect("a valid entry");
    assert!(with.as_str().starts_with("ot=th:0"), "rule 13: a modified key moves left");
    assert_list(&with);
    assert_list(&state.without("ot"));
    assert_eq!(state.without("ot").value("ot"), None);
    assert_eq!(with.without("ot").as_str().is_empty(), list(&with).len() == 1);
}

/// The grammar and the limits of what goes onward.
fn assert_list(state: &TraceState) {
    let members = list(state);
    assert!(state.as_str().len() <= MAX_LEN && members.len() <= MAX_MEMBERS);
    assert!(members.iter().all(|member| is_member(member.as_bytes())), "{state:?}");
    let mut keys: Vec<_> = members.iter().map(|member| member.split_once('=').expect("a pair").0).collect();
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "unique keys: {state:?}");
}

fn list(state: &TraceState) -> Vec<&str> {
    state.as_str().split(',').filter(|member| !member.is_empty()).collect()
}

fn members<'a>(values: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let entries = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    entries.map(trim).filter(|entry| !entry.is_empty()).collect()
}

fn trim(entry: &[u8]) -> &[u8] {
    let kept = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = entry.iter().position(kept).unwrap_or(entry.len());
    let end = entry.iter().rposition(kept).map_or(start, |last| last + 1);
    &entry[start..end]
}

/// W3C Trace Context Level 2 §3.3.1.3, as a pattern.
fn is_member(member: &[u8]) -> bool {
    let Some(at) = member.iter().position(|byte| *byte == b'=') else { return false };
    let (key, value) = (&member[..at], &member[at + 1..]);
    let key_char = |byte: &u8| b"abcdefghijklmnopqrstuvwxyz0123456789_-*/@".contains(byte);
    let value_char = |byte: &u8| (0x20..=0x7e).contains(byte) && *byte != b',' && *byte != b'=';
    (1..=256).contains(&key.len())
        && key.iter().all(key_char)
        && !b"_-*/@".contains(&key[0])
        && (1..=256).contains(&value.len())
        && value.iter().all(value_char)
        && !value.ends_with(b" ")
}
