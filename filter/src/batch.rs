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
