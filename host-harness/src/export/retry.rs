//! When a failed request is sent again, and what a failure is called.
//! Spec: <https://opentelemetry.io/docs/specs/otlp/#failures>

use std::time::{Duration, SystemTime};

use crate::tls;

/// The longest wait that a collector may ask for.
const MAX_ASKED: Duration = Duration::from_secs(60 * 60);

/// How long and how often a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The first one included.
    pub max_attempts: u32,
    /// No attempt starts later than this after the first.
    pub max_elapsed: Duration,
    /// The upper end of the first wait.
    pub initial_backoff: Duration,
    /// The upper end of any wait that the collector did not ask for.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_elapsed: Duration::from_secs(30),
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(5),
        }
    }
}

impl RetryPolicy {
    /// The same waits, until the request is settled: for spans that are kept meanwhile.
    pub(crate) fn endless(self) -> Self {
        Self { max_attempts: u32::MAX, max_elapsed: Duration::MAX, ..self }
    }

    /// Whether it gives up one day, so that what only a person can mend is better said at once.
    pub(crate) fn is_bounded(&self) -> bool {
        self.max_attempts < u32::MAX
    }

    /// One attempt, no retry.
    pub fn once() -> Self {
        Self { max_attempts: 1, ..Self::default() }
    }

    /// How long to wait after `attempts` failed ones; `None` to give up.
    ///
    /// What the collector `asked` for is kept to. Otherwise the wait is exponential with full jitter:
    /// `random`, over its whole range, picks from zero to the upper end.
    pub(crate) fn wait(
        &self,
        attempts: u32,
        elapsed: Duration,
        asked: Option<Duration>,
        random: u64,
    ) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let end = self.initial_backoff.saturating_mul(doubled).min(self.max_backoff);
        let jittered = || {
            let nanos = end.as_nanos().saturating_mul(u128::from(random)) >> 64;
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let wait = asked.map_or_else(jittered, |asked| asked.min(MAX_ASKED));
        (elapsed.saturating_add(wait) <= self.max_elapsed).then_some(wait)
    }
}

/// What `Retry-After` asks for: seconds, or a date that is compared with `now`.
pub(crate) fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// How one attempt ended.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// Taken, but for `rejected` spans.
    Accepted { rejected: u64, message: String },
    /// To be tried again, after the time that the collector asked for.
    Retryable(Failure, Option<Duration>),
    /// To be tried again in parts.
    TooLarge(Failure),
    /// Not to be tried again.
    Final(Failure),
}

/// Why spans are given up.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A handful of words, the same for every failure of the kind.
    pub(crate) reason: String,
    /// Endpoint and what happened.
    pub(crate) what: String,
    /// What to check.
    pub(crate) advice: String,
    /// Nothing answered.
    pub(crate) unreachable: bool,
    /// Another attempt ends the same until somebody mends it.
    pub(crate) is_lasting: bool,
}

/// The reason of spans that a stop left unsent.
pub(crate) const INTERRUPTED: &str = "interrupted";

impl Failure {
    pub(crate) fn answered(reason: String, what: String, advice: &str) -> Self {
        Self { reason, what, advice: advice.to_owned(), unreachable: false, is_lasting: false }
    }

    pub(crate) fn no_connection(
        endpoint: &http::Uri,
        error: &(dyn std::error::Error + 'static),
        ports: &str,
    ) -> Self {
        if let Some(fault) = tls::fault(error) {
            return Self {
                reason: "TLS failed".to_owned(),
                what: format!("{endpoint}: nothing was sent: {}", fault.what),
                advice: fault.advice.to_owned(),
                unreachable: true,
                is_lasting: true,
            };
        }
        // A server may hang up on a certificate that it does not like without a word that arrives.
        let tls = match endpoint.scheme_str() {
            Some("https") => "and speaks TLS, and that it believes the certificate that it is shown, if any",
            _ => "and whether it speaks TLS",
        };
        Self {
            reason: "connection failed".to_owned(),
            what: format!("{endpoint} cannot be reached: {}", root_cause(error)),
            advice: format!("check that a collector listens there ({ports}) {tls}"),
            unreachable: true,
            is_lasting: false,
        }
    }

    pub(crate) fn timed_out(endpoint: &http::Uri, limit: Duration) -> Self {
        Self {
            reason: "timed out".to_owned(),
            what: format!("{endpoint} did not answer within {} ms", limit.as_millis()),
            advice: "check that it is a collector, or raise OTEL_EXPORTER_OTLP_TIMEOUT".to_owned(),
            unreachable: true,
            is_lasting: false,
        }
    }

    pub(crate) fn interrupted() -> Self {
        let what = "the export was interrupted before every span was sent".to_owned();
        Self::answered(INTERRUPTED.to_owned(), what, "run it again to send them")
    }

    pub(crate) fn oversize(max_bytes: usize) -> Self {
        let what = format!("a span alone is larger than a request may be ({max_bytes} bytes)");
        Self::answered("too large".to_owned(), what, "see which attributes are so long")
    }

    /// The same failure, having been met `attempts` times.
    pub(crate) fn after(self, attempts: u32) -> Self {
        match attempts {
            1 => self,
            _ => Self { what: format!("{} (tried {attempts} times)", self.what), ..self },
        }
    }
}

/// The innermost cause of `error`: what the operating system or the peer said.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 5,
            max_elapsed: 30 * SECOND,
            initial_backoff: SECOND,
            max_backoff: 5 * SECOND,
        }
    }

    #[test]
    fn rule_41_waits_double_up_to_the_limit_with_full_jitter() {
        let longest =
            |attempts| policy().wait(attempts, Duration::ZERO, None, u64::MAX).map(|d| d.as_millis());
        assert_eq!(longest(1), Some(999), "the first");
        assert_eq!(longest(2), Some(1_999), "the second");
        assert_eq!(longest(3), Some(3_999), "the third");
        assert_eq!(longest(4), Some(4_999), "no longer than max_backoff");
        assert_eq!(longest(5), None, "five attempts are enough");
        assert_eq!(policy().wait(4, Duration::ZERO, None, 0), Some(Duration::ZERO), "jitter starts at zero");
        assert_eq!(
            policy().wait(2, Duration::ZERO, None, u64::MAX / 2).unwrap().as_millis(),
            999,
            "and is even"
        );
        assert_eq!(RetryPolicy::once().wait(1, Duration::ZERO, None, 0), None);
    }

    #[test]
    fn rule_41_what_the_collector_asks_for_is_kept_to_within_the_bound() {
        let asked =
            |elapsed: u32, wait: u32| policy().wait(1, elapsed * SECOND, Some(wait * SECOND), u64::MAX);
        assert_eq!(asked(0, 20), Some(20 * SECOND), "longer than max_backoff");
        assert_eq!(asked(0, 0), Some(Duration::ZERO), "at once");
        assert_eq!(asked(0, 30), Some(30 * SECOND), "just in time");
        assert_eq!(asked(0, 31), None, "beyond max_elapsed");
        let endless = policy().endless();
        let patient = |wait| endless.wait(1_000_000, Duration::MAX / 2, wait, u64::MAX).map(|d| d.as_secs());
        assert_eq!(patient(None), Some(4), "no end, but an upper end of each wait");
        assert_eq!(patient(Some(Duration::MAX)), Some(3_600), "nor one that the collector makes up");
        assert_eq!(asked(29, 2), None, "beyond max_elapsed, with what has passed");
    }

    #[test]
    fn rule_41_retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected, reason) in [
            ("120", Some(120), "seconds"),
            (" 0 ", Some(0), "white space"),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10), "a date"),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0), "a date gone by"),
            ("Sunday, 06-Nov-94 08:49:47 GMT", Some(10), "the obsolete form of a date"),
            ("99999999999999999999999", Some(u64::MAX), "more than fits"),
            ("-1", None, "negative"),
            ("1.5", None, "a fraction"),
            ("soon", None, "neither"),
            ("", None, "empty"),
        ] {
            assert_eq!(retry_after(value.as_bytes(), now).map(|d| d.as_secs()), expected, "{reason}");
        }
        assert_eq!(retry_after(b"\xff", now), None, "not text");
    }
}
