//! The filter's own counters, as far as they tell a span's way.

use super::Metrics;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident = $metric:literal,)*) => {
        /// What the filters of a proxy have counted, over all workers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)*
            /// Spans that wait to be sent, or for the answer.
            pub queued: u64,
        }

        impl Counters {
            /// `None` if the filter has not a single counter there.
            pub fn read(metrics: &Metrics) -> Option<Self> {
                let has_any = false $(|| metrics.sum($metric).is_some())*;
                has_any.then(|| Self {
                    $($field: metrics.sum($metric).unwrap_or_default(),)*
                    queued: metrics.sum("meshspan_queue_spans").unwrap_or_default(),
                })
            }

            /// What has been counted since `before`; the queue is as long as it is now.
            #[must_use]
            pub fn since(self, before: Self) -> Self {
                Self { $($field: self.$field.saturating_sub(before.$field),)* queued: self.queued }
            }
        }
    };
}

counters! {
    /// Spans begun.
    started = "meshspan_spans_started",
    /// Spans ended.
    finished = "meshspan_spans_finished",
    /// Spans not recorded because of the sampling decision.
    sampled_out = "meshspan_spans_sampled_out",
    /// Spans that found the queue full.
    queue_full = "meshspan_spans_dropped_queue_full",
    /// Spans given up after a failed export.
    export_failed = "meshspan_spans_dropped_export_failed",
    /// Spans that the collector took.
    exported = "meshspan_spans_exported",
    /// Spans that the collector refused in a partial success.
    rejected = "meshspan_spans_rejected",
    /// Export requests.
    attempted = "meshspan_exports_attempted",
    /// Of those, not answered with success.
    failed = "meshspan_exports_failed",
    /// Trace contexts that were there and invalid.
    invalid = "meshspan_context_invalid",
    /// Outbound requests that carried no trace context.
    outbound_without_context = "meshspan_outbound_without_context",
}

impl Counters {
    /// Whether every span that was begun has come to its end.
    pub fn are_settled(&self) -> bool {
        self.started == self.exported + self.rejected + self.queue_full + self.export_failed
    }

    /// Whether any request carried a context that could be read, or began a trace.
    pub fn saw_a_context(&self) -> bool {
        self.started + self.sampled_out > 0
    }
}
