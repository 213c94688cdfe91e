//! What was added, removed and changed by name: how often, and one example of each.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Values by name, as they are compared.
pub(super) type Values = BTreeMap<String, String>;

/// What happened to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The baseline has none.
    Added,
    /// Only the baseline has one.
    Removed,
    /// Both have one, and they differ.
    Changed,
}

impl What {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One way in which the values of one name differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Change {
    /// The header's, the field's or the attribute's.
    pub name: String,
    /// What happened to it.
    pub change: What,
    /// How often.
    pub count: u64,
    /// The first time.
    pub example: Example,
}

/// Both sides of a difference, ids masked and secrets taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Example {
    /// Where it was: `exchange 1, web inbound`.
    pub at: String,
    /// What the baseline has.
    pub baseline: Option<String>,
    /// What is there now.
    pub current: Option<String>,
}

/// Differences as they are found.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<(String, What), (u64, Example)>);

impl Changes {
    /// Compares the values of one place; `shown` takes secrets out of a named value.
    pub(super) fn compare(
        &mut self,
        at: impl Fn() -> String,
        baseline: &Values,
        current: &Values,
        shown: impl Fn(&str, &str) -> String,
    ) {
        if baseline == current {
            return;
        }
        let names: BTreeSet<&String> = baseline.keys().chain(current.keys()).collect();
        for name in names {
            let (before, after) = (baseline.get(name), current.get(name));
            let what = match (before, after) {
                (None, _) => What::Added,
                (_, None) => What::Removed,
                (Some(before), Some(after)) if before != after => What::Changed,
                _ => continue,
            };
            let shown = |value: &String| shown(name, value);
            let example = || Example { at: at(), baseline: before.map(shown), current: after.map(shown) };
            self.0.entry((name.clone(), what)).or_insert_with(|| (0, example())).0 += 1;
        }
    }

    /// By name.
    pub(super) fn into_rows(self) -> Vec<Change> {
        let row = |((name, change), (count, example))| Change { name, change, count, example };
        self.0.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_difference_is_counted_by_its_name_and_the_first_kept() {
        let mut changes = Changes::default();
        for at in ["1", "2"] {
            let baseline = values(&[("gone", "a"), ("same", "x"), ("other", at)]);
            let current = values(&[("new", "b"), ("same", "x"), ("other", "z")]);
            changes.compare(|| at.to_owned(), &baseline, &current, |name, value| format!("{name}={value}"));
        }
        let rows = changes.into_rows();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.change, row.count, &*row.example.at, row.example.baseline.as_deref()))
            .collect();
        assert_eq!(
            rows,
            [
                (What::Removed, 2, "1", Some("gone=a")),
                (What::Added, 2, "1", None),
                (What::Changed, 2, "1", Some("other=1")),
            ]
        );
    }
}
