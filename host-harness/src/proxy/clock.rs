//! The real clock of live traffic.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// Now; the epoch on a clock set before it.
#[expect(clippy::disallowed_methods, reason = "this module owns the proxy's clock")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
