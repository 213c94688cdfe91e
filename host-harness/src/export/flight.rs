//! Requests under way, several at once as soon as the collector has taken one.

use std::{collections::VecDeque, sync::Arc};

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::ResourceSpans};
use tokio::task::JoinSet;

use super::{
    ExportReport, ExporterConfig, batch,
    courier::{Courier, encoded},
    retry::Failure,
};

/// What is under way and what waits for it.
pub(crate) struct Flight<'a> {
    courier: &'a Arc<Courier>,
    config: &'a ExporterConfig,
    waiting: VecDeque<ExportTraceServiceRequest>,
    flying: JoinSet<(u64, ExportReport)>,
}

impl<'a> Flight<'a> {
    pub(crate) fn new(courier: &'a Arc<Courier>, config: &'a ExporterConfig) -> Self {
        Self { courier, config, waiting: VecDeque::new(), flying: JoinSet::new() }
    }

    /// Adds spans; those that are too large for any request are in the report.
    pub(crate) fn add(&mut self, spans: Vec<ResourceSpans>) -> (u64, ExportReport) {
        let max_bytes = self.config.max_batch_bytes;
        let batches = batch::split(spans, self.config.max_batch_spans, max_bytes);
        self.waiting.extend(batches.requests);
        let mut report = ExportReport::default();
        if batches.oversize > 0 {
            report.drop(batches.oversize, Failure::oversize(max_bytes));
        }
        self.fill();
        (batches.oversize, report)
    }

    /// Every request is under way.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    /// The next request that is settled: its spans, and what became of them; `None` if nothing is under way.
    /// Nothing is lost if this is given up and asked again.
    pub(crate) async fn landed(&mut self) -> Option<(u64, ExportReport)> {
        self.fill();
        match self.flying.join_next().await? {
            Ok(landed) => Some(landed),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Nobody cancels them but the drop of the whole.
                Err(_) => None,
            },
        }
    }

    fn fill(&mut self) {
        let most = if self.courier.is_proven() { self.config.max_in_flight } else { 1 };
        while self.flying.len() < most
            && let Some(request) = self.waiting.pop_front()
        {
            let courier = Arc::clone(self.courier);
            self.flying.spawn(async move {
                let (request, spans) = encoded(&request);
                (spans, courier.deliver(request, spans).await)
            });
        }
    }
}
