//! Counts as messages have them.
//! `counted(1, "span")` → `1 span`, `counted(2, "span")` → `2 spans`

/// A number and its noun, in the plural unless it is one.
pub fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix("ry")) {
        (1, _) => format!("1 {noun}"),
        (_, Some(start)) => format!("{count} {start}ries"),
        _ if noun.ends_with('s') => format!("{count} {noun}es"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        for (count, noun, expected) in [
            (0, "span", "0 spans"),
            (1, "span", "1 span"),
            (2, "span", "2 spans"),
            (2, "pass", "2 passes"),
            (1, "entry", "1 entry"),
            (2, "entry", "2 entries"),
        ] {
            assert_eq!(counted(count, noun), expected);
        }
    }
}
