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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Encoded spans, one after another, as [`crate::otlp::encode_span`] writes them.
    pub spans: Vec<u8>,
    /// How many they are.
    pub count: u32,
}

/// Encoded spans that wait to be exported, oldest first: those that are whole batches, then those of
/// the batch that is being filled, into which spans are written as they end.
#[derive(Debug)]
pub struct BatchQueue {
    limits: BatchLimits,
    full: VecDeque<Batch>,
    open: Batch,
    /// When the first span of `open` came.
    since: Timestamp,
    spans: usize,
    bytes: usize,
}

impl BatchQueue {
    /// An empty queue.
    pub fn new(limits: BatchLimits) -> Self {
        let (full, open) = (VecDeque::new(), Batch::default());
        Self { limits, full, open, since: Timestamp::default(), spans: 0, bytes: 0 }
    }

    /// Holds to other bounds; what is too much for them stays until it is taken.
    pub fn set_limits(&mut self, limits: BatchLimits) {
        self.limits = limits;
    }

    /// Takes the span in that `encode` appends, at `now`; if the queue is full, or the span too large
    /// for any batch, leaves it out and returns false.
    pub fn push(&mut self, now: Timestamp, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.spans >= self.limits.max_queue_spans {
            return false;
        }
        let before = self.open.spans.len();
        encode(&mut self.open.spans);
        let size = self.open.spans.len().saturating_sub(before);
        let bytes = self.bytes.saturating_add(size);
        if bytes > self.limits.max_queue_bytes || size > MAX_BATCH_BYTES {
            self.open.spans.truncate(before);
            return false;
        }
        if self.open.spans.len() > MAX_BATCH_BYTES {
            let span = self.open.spans.split_off(before);
            self.seal();
            self.open.spans = span;
        }
        if self.open.count == 0 {
            self.since = now;
        }
        self.open.count += 1;
        self.spans += 1;
        self.bytes = bytes;
        if self.open.count as usize >= self.limits.max_batch_spans || self.open.spans.len() >= MAX_BATCH_BYTES
        {
            self.seal();
        }
        true
    }

    fn seal(&mut self) {
        self.full.push_back(std::mem::take(&mut self.open));
    }

    /// The oldest spans, if a batch of them is due at `now`: because there are enough for a whole
    /// batch, or because the oldest has waited long enough. Call it again until it gives none.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Batch> {
        let due = !self.full.is_empty() || now.since(self.since) >= self.limits.max_delay;
        if due { self.take() } else { None }
    }

    /// The oldest spans whether due or not, for shutdown. Call it again until it gives none.
    pub fn take(&mut self) -> Option<Batch> {
        let batch = self.full.pop_front().unwrap_or_else(|| std::mem::take(&mut self.open));
        self.spans = self.spans.saturating_sub(batch.count as usize);
        self.bytes = self.bytes.saturating_sub(batch.spans.len());
        (batch.count > 0).then_some(batch)
    }

    /// Spans that wait.
    pub fn len(&self) -> usize {
        self.spans
    }

    /// Whether no span waits.
    pub fn is_empty(&self) -> bool {
        self.spans == 0
    }

    /// Bytes of spans that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
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

    fn push(queue: &mut BatchQueue, now: Timestamp, span: &[u8]) -> bool {
        queue.push(now, |out| out.extend_from_slice(span))
    }

    fn batch(spans: &[u8]) -> Option<Batch> {
        Some(Batch { spans: spans.to_vec(), count: spans.len() as u32 })
    }

    #[test]
    fn rule_45_a_batch_is_due_when_full_or_old() {
        let mut queue = BatchQueue::new(LIMITS);
        assert_eq!(queue.take_due(at(5000)), None, "nothing waits");
        push(&mut queue, at(0), &[1]);
        push(&mut queue, at(900), &[2]);
        assert_eq!(queue.take_due(at(999)), None, "neither full nor old");
        assert_eq!(queue.take_due(at(1000)), batch(&[1, 2]), "the oldest has waited for a second");
        for span in 3..=6 {
            push(&mut queue, at(2000), &[span]);
        }
        assert_eq!(queue.take_due(at(2000)), batch(&[3, 4, 5]), "three are a whole batch");
        assert_eq!(queue.take_due(at(2000)), None, "one more is neither full nor old");
        assert_eq!(queue.take(), batch(&[6]), "shutdown waits for nothing");
        assert_eq!((queue.take(), queue.len(), queue.bytes()), (None, 0, 0));
    }

    #[test]
    fn rule_45_a_clock_that_goes_back_makes_nothing_due() {
        let mut queue = BatchQueue::new(LIMITS);
        push(&mut queue, at(5000), &[1]);
        assert_eq!(queue.take_due(at(0)), None);
        assert_eq!(queue.take_due(at(6000)), batch(&[1]));
    }

    #[test]
    fn rule_45_a_full_queue_drops() {
        let mut queue = BatchQueue::new(LIMITS);
        let taken = (0..7).filter(|span| push(&mut queue, at(0), &[*span])).count();
        assert_eq!((taken, queue.len()), (5, 5), "by number");
        let kept = [queue.take(), queue.take(), queue.take()];
        assert_eq!(kept, [batch(&[0, 1, 2]), batch(&[3, 4]), None], "what was there stays");

        let mut queue = BatchQueue::new(LIMITS);
        let sizes = [(20, true), (20, true), (11, false), (10, true), (1, false)];
        for (size, fits) in sizes {
            assert_eq!(
                push(&mut queue, at(0), &vec![0; size]),
                fits,
                "{size} bytes on top of {}",
                queue.bytes()
            );
        }
        assert_eq!((queue.bytes(), queue.len()), (50, 3), "by size");
        queue.take();
        assert!(push(&mut queue, at(0), &[0; 50]), "there is room again");
    }

    #[test]
    fn rule_44_a_batch_stays_below_the_collectors_limit() {
        let limits =
            BatchLimits { max_batch_spans: 100, max_queue_spans: 100, max_queue_bytes: 1 << 30, ..LIMITS };
        let mut queue = BatchQueue::new(limits);
        assert!(!push(&mut queue, at(0), &vec![0; MAX_BATCH_BYTES + 1]), "fits no message");
        assert!(queue.is_empty());
        for _ in 0..3 {
            assert!(push(&mut queue, at(0), &vec![0; MAX_BATCH_BYTES / 2]));
        }
        let first = queue.take_due(at(0)).unwrap();
        assert_eq!((first.count, first.spans.len()), (2, MAX_BATCH_BYTES / 2 * 2), "due for its size");
        assert_eq!(queue.take_due(at(0)), None, "what is left is small");
        assert_eq!((queue.len(), queue.bytes()), (1, MAX_BATCH_BYTES / 2));
    }
}
