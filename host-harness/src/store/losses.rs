//! Says when spans go that were not sent yet: at once when it begins, then once a minute how many more, until a
//! minute has passed without.

use std::collections::BTreeMap;

use super::evict::BY_AGE;
use super::writer::now_ms;

/// How often it is said.
const EACH_MS: i64 = 60_000;

/// Who did not get what, as far as it is not said yet.
#[derive(Debug)]
pub(super) struct Losses {
    /// Of others nobody expects anything now.
    destinations: Vec<String>,
    /// Spans by destination and by why they went.
    untold: BTreeMap<(String, &'static str), u64>,
    /// When it was last said; `None` if that is long ago.
    told_ms: Option<i64>,
}

impl Losses {
    pub(super) fn new(destinations: &[String]) -> Self {
        Self { destinations: destinations.to_vec(), untold: BTreeMap::new(), told_ms: None }
    }

    /// Notes that `spans` went for `reason`, one of eviction's, before `destination` had them.
    pub(super) fn add(&mut self, destination: &str, reason: &'static str, spans: u64) {
        if spans > 0 && self.destinations.iter().any(|name| name == destination) {
            *self.untold.entry((destination.to_owned(), reason)).or_default() += spans;
        }
    }

    /// Says what is due; to be called now and then.
    pub(super) fn tell(&mut self) {
        if let Some(text) = self.due(now_ms()) {
            tracing::warn!("{text}");
        }
    }

    fn due(&mut self, now_ms: i64) -> Option<String> {
        let is_due = self.told_ms.is_none_or(|told_ms| now_ms.saturating_sub(told_ms) >= EACH_MS);
        if !is_due || (self.untold.is_empty() && self.told_ms.is_none()) {
            return None;
        }
        let is_first = self.told_ms.is_none();
        self.told_ms = (!self.untold.is_empty()).then_some(now_ms);
        self.rest(is_first)
    }

    /// What is not said yet.
    fn rest(&mut self, is_first: bool) -> Option<String> {
        let untold = std::mem::take(&mut self.untold);
        let lost = untold.into_iter().map(|((destination, reason), spans)| {
            let bound = if reason == BY_AGE { "--max-age" } else { "--max-bytes" };
            format!("{spans} for {destination}, beyond {bound}")
        });
        let lost: Vec<String> = lost.collect();
        let advice = match is_first {
            true => "; the oldest go until it takes them again or the bound is raised",
            false => "",
        };
        (!lost.is_empty())
            .then(|| format!("spans were lost that were not sent yet: {}{advice}", lost.join("; ")))
    }
}

impl Drop for Losses {
    fn drop(&mut self) {
        if let Some(text) = self.rest(false) {
            tracing::warn!("{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::evict::BY_SIZE;
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_others_once_a_minute() {
        let mut losses = Losses::new(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(losses.due(0), None, "nothing is lost");
        losses.add("a", BY_SIZE, 0);
        losses.add("gone", BY_SIZE, 5);
        assert_eq!(losses.due(1), None, "nothing that anybody waits for");
        losses.add("a", BY_SIZE, 2);
        let first = losses.due(2).unwrap();
        assert!(first.contains(": 2 for a, beyond --max-bytes; the oldest go"), "{first}");
        losses.add("a", BY_SIZE, 3);
        losses.add("a", BY_SIZE, 4);
        losses.add("b", BY_AGE, 1);
        assert_eq!(losses.due(60_001), None, "the minute is not over");
        let second = losses.due(60_002).unwrap();
        assert!(second.ends_with(": 7 for a, beyond --max-bytes; 1 for b, beyond --max-age"), "{second}");
        assert_eq!(losses.due(120_002), None, "a minute without: it is over");
        losses.add("a", BY_SIZE, 1);
        assert!(losses.due(120_003).unwrap().contains("1 for a"), "it begins again, told at once");
        losses.add("a", BY_SIZE, 6);
        assert!(losses.rest(false).unwrap().contains("6 for a"), "at the end");
        assert_eq!(losses.rest(false), None);
    }
}
