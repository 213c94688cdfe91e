//! Which traces are a machine's own when several share a recording. Pure.
//!
//! `0/4`: the traces whose key leaves 0 when divided by 4

use std::str::FromStr;

use crate::traffic::Exchange;

/// A part of a recording's traces: those whose key, divided by `count`, leaves `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// All traces.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether traces with this key are in it.
    pub(super) fn has(self, key: u64) -> bool {
        key % u64::from(self.count) == u64::from(self.index)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 0 to N-1, such as 0/4".to_owned()),
        }
    }
}

/// By what a trace is assigned: the trace id that its root was recorded with, else the root's own id.
/// All that is called for a root has its key.
pub(super) fn key(root: &Exchange) -> u64 {
    let recorded = super::message::request_headers(root);
    match super::propagation::trace_ids(&recorded).first() {
        Some(trace) => hash(&trace.to_be_bytes()),
        None => hash(root.id.as_bytes()),
    }
}

/// FNV-1a, and a last mixing that spreads it to the low bits, which a remainder is taken of.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::super::link::samples::exchange;
    use super::*;

    #[test]
    fn a_shard_is_read_as_it_is_written() {
        assert_eq!("0/1".parse(), Ok(Shard::WHOLE));
        assert_eq!("3/4".parse(), Ok(Shard { index: 3, count: 4 }));
        for (text, reason) in [
            ("4/4", "counted from 0"),
            ("0/0", "none"),
            ("1", "no count"),
            ("-1/2", "negative"),
            ("a/b", "no numbers"),
            ("1/2/3", "more"),
        ] {
            assert!(text.parse::<Shard>().unwrap_err().starts_with("expected I/N"), "{text}: {reason}");
        }
    }

    #[test]
    fn every_key_is_in_one_shard_and_shards_are_about_even() {
        let shards = [0, 1, 2].map(|index| Shard { index, count: 3 });
        let mut sizes = [0; 3];
        for number in 0..3_000_u32 {
            let key = hash(number.to_string().as_bytes());
            let found: Vec<_> = (0..3).filter(|at| shards[*at].has(key)).collect();
            assert_eq!(found.len(), 1, "{number}");
            sizes[found[0]] += 1;
        }
        assert!(sizes.iter().all(|size| (900..1_100).contains(size)), "{sizes:?}");
    }

    #[test]
    fn roots_of_one_recorded_trace_go_together() {
        let with = |id: &str, trace: &str| {
            let mut exchange = exchange(id, None, ["a", "b"], 0, [0, 1, 1]);
            let value = format!("00-{trace}-00f067aa0ba902b7-01");
            exchange.request.headers.push(("Traceparent".to_owned(), value.into()));
            exchange
        };
        let (one, other) = ("4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4737");
        assert_eq!(key(&with("1", one)), key(&with("2", one)));
        assert_ne!(key(&with("1", one)), key(&with("1", other)));
        assert_ne!(key(&exchange("1", None, ["a", "b"], 0, [0, 1, 1])), key(&with("1", one)));
    }
}
