//! Heads of the same request at the same proxy, compared by header.

use std::collections::HashMap;

use super::changes::{Changes, Values};
use super::mask;
use crate::replay::{Head, Side};
use crate::traffic::Redactor;

/// A head as it is compared.
pub(super) struct SeenHead {
    /// Exchange, proxy and side.
    place: (String, String, Side),
    values: Values,
}

/// Differences between heads.
#[derive(Debug, Default)]
pub(super) struct HeadDiff {
    pub(super) requests: Changes,
    pub(super) responses: Changes,
    /// Heads that only the baseline has, and that only the other has.
    pub(super) unpaired: [u64; 2],
}

impl SeenHead {
    pub(super) fn new(head: &Head) -> Self {
        let given = mask::ids(&head.given);
        let mut values = Values::new();
        for (name, value) in head.left.iter() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let value = mask::masked(&name, value, Some(&given));
            let all = values.entry(name).or_default();
            if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(&value);
        }
        Self { place: (head.exchange.clone(), head.proxy.clone(), head.side), values }
    }
}

impl HeadDiff {
    /// Compares the heads of one round. A head's instant is the recording's, so that both are in the same round.
    pub(super) fn compare(&mut self, baseline: Vec<SeenHead>, current: Vec<SeenHead>, redactor: &Redactor) {
        let mut baseline: HashMap<_, _> =
            baseline.into_iter().map(|head| (head.place, head.values)).collect();
        for SeenHead { place, values } in current {
            let Some(before) = baseline.remove(&place) else {
                self.unpaired[1] += 1;
                continue;
            };
            let (exchange, proxy, side) = place;
            let changes = match side {
                Side::Request => &mut self.requests,
                Side::Response => &mut self.responses,
            };
            let at = || format!("exchange {exchange}, {proxy}");
            changes.compare(at, &before, &values, |name, value| redactor.shown(name, value));
        }
        self.unpaired[0] += u64::try_from(baseline.len()).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HeaderMap;

    fn head(exchange: &str, left: &[(&str, &str)]) -> SeenHead {
        SeenHead::new(&Head {
            exchange: exchange.to_owned(),
            proxy: "web inbound".to_owned(),
            side: Side::Request,
            given: HeaderMap::new(),
            left: HeaderMap::from_pairs(left.iter().copied()),
        })
    }

    #[test]
    fn secrets_are_compared_but_not_shown_and_heads_of_one_run_counted() {
        let mut diff = HeadDiff::default();
        let baseline = vec![
            head("1", &[("cookie", "a"), (":path", "/?sig=x&a=1"), ("via", "1"), ("via", "2")]),
            head("2", &[]),
            head("3", &[]),
        ];
        let current =
            vec![head("4", &[]), head("1", &[("cookie", "b"), (":path", "/?sig=x&a=2"), ("via", "1")])];
        diff.compare(baseline, current, &Redactor::default());
        assert_eq!(diff.unpaired, [2, 1]);
        let shown = |text: &str| Some(text.to_owned());
        let rows = diff.requests.into_rows();
        let rows: Vec<_> = rows.into_iter().map(|row| (row.example.baseline, row.example.current)).collect();
        assert_eq!(
            rows,
            [
                (shown("/?sig=REDACTED&a=1"), shown("/?sig=REDACTED&a=2")),
                (shown("REDACTED"), shown("REDACTED")),
                (shown("1, 2"), shown("1")),
            ]
        );
    }
}
