//! A bounded queue of encoded spans, and when a batch of them is due.
//! Knows neither what a span looks like nor where a batch goes; the time is handed in.
//! Spec: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// Bytes of spans in one batch at most: the collector's default limit of 4 MiB for a message, less
/// room for the resource, the scope and the framing.
pub const MAX_BATCH_BYTES: usize = (4 << 20) - (64 << 10);

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Spans in one batch at most, and how many make one due.
    pub max_batch_spans: usize,
    /// How long a span waits at most before its batch is due.
    pub max_delay: Duration,
    /// Spans that wait at most.
    pub max_queue_spans: usize,
    /// Bytes of spans that wait at most.
    pub max_queue_bytes: usize,
}

/// Spans that go out together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Encoded spans, one after another, as [`crate::otlp::encode_span`] writes them.
    pub spans: Vec<u8>,
    /// How many they are.
    pub count: u32,
}

#[derive(Debug)]
struct Queued {
    since: Timestamp,
    span: Vec<u8>,
}

/// Encoded spans that wait to be exported, oldest first.
#[derive(Debug)]
pub struct BatchQueue {
    limits: BatchLimits,
    spans: VecDeque<Queued>,
    bytes: usize,
    dropped: u64,
}

impl BatchQueue {
    /// An empty queue.
    pub fn new(limits: BatchLimits) -> Self {
        Self { limits, spans: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    /// Takes `span` in at `now`; if the queue is full, or the span too large for any batch, drops
    /// and counts it, and returns false.
    pub fn push(&mut self, now: Timestamp, span: Vec<u8>) -> bool {
        let fits = self.spans.len() < self.limits.max_queue_spans
            && self.bytes.saturating_add(span.len()) <= self.limits.max_queue_bytes
            && span.len() <= MAX_BATCH_BYTES;
        if fits {
            self.bytes += span.len();
            self.spans.push_back(Queued { since: now, span });
        } else {
            self.dropped += 1;
        }
        fits
    }

    /// The oldest spans, if a batch of them is due at `now`: because there are enough for a whole
    /// batch, or because the oldest has waited long enough. Call it again until it gives none.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Batch> {
        let oldest = self.spans.front()?;
        let due = self.spans.len() >= self.limits.max_batch_spans
            || self.bytes >= MAX_BATCH_BYTES
            || now.since(oldest.since) >= self.limits.max_delay;
        if due { self.take() } else { None }
    }

    /// The oldest spans whether due or not, for shutdown. Call it again until it gives none.
    pub fn take(&mut self) -> Option<Batch> {
        let mut batch = Batch { spans: Vec::new(), count: 0 };
        while let Some(next) = self.spans.front() {
            let room = (batch.count as usize) < self.limits.max_batch_spans
                && batch.spans.len() + next.span.len() <= MAX_BATCH_BYTES;
            if !room {
                break;
            }
            let Some(next) = self.spans.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(next.span.len());
            batch.spans.extend_from_slice(&next.span);
            batch.count += 1;
        }
        (batch.count > 0).then_some(batch)
    }

    /// Spans that wait.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether no span waits.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes of spans that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Spans that this queue had no room for, ever.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        max_batch_spans: 3,
        max_delay: Duration::from_secs(1),
        max_queue_spans: 5,
        max_queue_bytes: 50,
    };

    fn at(millis: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_millis(millis))
    }

    fn batch(spans: &[u8]) -> Option<Batch> {
        Some(Batch { spans: spans.to_vec(), count: spans.len() as u32 })
    }

    #[test]
    fn rule_45_a_batch_is_due_when_full_or_old() {
        let mut queue = BatchQueue::new(LIMITS);
        assert_eq!(queue.take_due(at(5000)), None, "nothing waits");
        queue.push(at(0), vec![1]);
        queue.push(at(900), vec![2]);
        assert_eq!(queue.take_due(at(999)), None, "neither full nor old");
        assert_eq!(queue.take_due(at(1000)), batch(&[1, 2]), "the oldest has waited for a second");
        for span in 3..=6 {
            queue.push(at(2000), vec![span]);
        }
        assert_eq!(queue.take_due(at(2000)), batch(&[3, 4, 5]), "three are a whole batch");
        assert_eq!(queue.take_due(at(2000)), None, "one more is neither full nor old");
        assert_eq!(queue.take(), batch(&[6]), "shutdown waits for nothing");
        assert_eq!((queue.take(), queue.len(), queue.bytes()), (None, 0, 0));
    }

    #[test]
    fn rule_45_a_clock_that_goes_back_makes_nothing_due() {
        let mut queue = BatchQueue::new(LIMITS);
        queue.push(at(5000), vec![1]);
        assert_eq!(queue.take_due(at(0)), None);
        assert_eq!(queue.take_due(at(6000)), batch(&[1]));
    }

    #[test]
    fn rule_45_a_full_queue_drops_and_counts() {
        let mut queue = BatchQueue::new(LIMITS);
        let taken = (0..7).filter(|span| queue.push(at(0), vec![*span])).count();
        assert_eq!((taken, queue.len(), queue.dropped()), (5, 5, 2), "by number");

        let mut queue = BatchQueue::new(LIMITS);
        let sizes = [(20, true), (20, true), (11, false), (10, true), (1, false)];
        for (size, fits) in sizes {
            assert_eq!(queue.push(at(0), vec![0; size]), fits, "{size} bytes on top of {}", queue.bytes());
        }
        assert_eq!((queue.bytes(), queue.dropped()), (50, 2), "by size");
        queue.take();
        assert!(queue.push(at(0), vec![0; 50]), "there is room again");
    }

    #[test]
    fn rule_44_a_batch_stays_below_the_collectors_limit() {
        let limits =
            BatchLimits { max_batch_spans: 100, max_queue_spans: 100, max_queue_bytes: 1 << 30, ..LIMITS };
        let mut queue = BatchQueue::new(limits);
        assert!(!queue.push(at(0), vec![0; MAX_BATCH_BYTES + 1]), "fits no message");
        assert_eq!(queue.dropped(), 1);
        for _ in 0..3 {
            assert!(queue.push(at(0), vec![0; MAX_BATCH_BYTES / 2]));
        }
        let first = queue.take_due(at(0)).unwrap();
        assert_eq!((first.count, first.spans.len()), (2, MAX_BATCH_BYTES / 2 * 2), "due for its size");
        assert_eq!(queue.take_due(at(0)), None, "what is left is small");
        assert_eq!((queue.len(), queue.bytes()), (1, MAX_BATCH_BYTES / 2));
    }
}
