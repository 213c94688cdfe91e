//! A request's message, into the store: as it came where all of it is fit, else without what is not.

use std::sync::Arc;

use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;

use super::budget::Share;
use super::{Metrics, Refusal, Saver};
use crate::collect::{keep_fit, mend_ids, scan};
use crate::store::Store;

/// The most messages within a request, of any kind: those who decode it allocate for each.
const MAX_MESSAGES: u64 = 1 << 20;

/// What a message takes once it is decoded, about: of a span, the largest, it is 312.
const DECODED_BYTES: usize = 320;

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

/// What became of a message that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Spans that were not.
    pub(super) rejected: u64,
    /// Why not.
    pub(super) message: String,
}

impl Taken {
    /// What the sender is told.
    pub(super) fn response(&self) -> ExportTraceServiceResponse {
        let partial = ExportTracePartialSuccess {
            rejected_spans: i64::try_from(self.rejected).unwrap_or(i64::MAX),
            error_message: self.message.clone(),
        };
        ExportTraceServiceResponse { partial_success: (self.rejected > 0).then_some(partial) }
    }
}

/// Where messages go.
#[derive(Debug)]
pub(super) struct Intake {
    store: Store,
    metrics: Arc<Metrics>,
    saver: Option<Saver>,
}

impl Intake {
    pub(super) fn new(store: Store, metrics: Arc<Metrics>, saver: Option<Saver>) -> Self {
        Self { store, metrics, saver }
    }

    /// Stores the spans of a message. They are in the store when this returns.
    pub(super) async fn take(
        &self,
        message: Bytes,
        format: Format,
        share: &mut Share<'_>,
    ) -> Result<Taken, Refusal> {
        self.metrics.request_bytes.record(message.len() as u64);
        let (message, mended) = match format {
            Format::Protobuf => (message, None),
            Format::Json => from_json(&message, share)?,
        };
        let found = scan(&message).map_err(|error| malformed("protobuf", &error))?;
        if found.messages > MAX_MESSAGES {
            return Err(too_many());
        }
        let (message, taken) = match found.unfit {
            0 => (message, Taken::default()),
            _ => {
                share.take(decoded_bytes(found.messages))?;
                sift(&message)?
            }
        };
        let taken = Taken { message: mended.unwrap_or(taken.message), ..taken };
        self.metrics.count_rejected(taken.rejected);
        let spans = found.spans - taken.rejected;
        if spans > 0 {
            self.store(message, spans).await?;
        }
        Ok(taken)
    }

    /// Stores and counts, also when the one who asked has gone meanwhile.
    async fn store(&self, message: Bytes, spans: u64) -> Result<(), Refusal> {
        let (store, metrics, saver) = (self.store.clone(), Arc::clone(&self.metrics), self.saver.clone());
        let stored = tokio::spawn(async move {
            let started = tokio::time::Instant::now();
            let stored = store.append(message.clone(), spans).await;
            metrics.count_stored(spans, stored.is_ok(), started.elapsed());
            if let Some(saver) = saver.filter(|_| stored.is_ok()) {
                saver.save(message).await;
            }
            stored
        });
        match stored.await {
            Ok(stored) => Ok(stored?),
            // The runtime is going.
            Err(_) => Err(Refusal::Stalled),
        }
    }
}

fn malformed(format: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::Malformed(format!("the body is no ExportTraceServiceRequest in {format}: {error}"))
}

fn too_many() -> Refusal {
    Refusal::TooLarge(format!(
        "the request is made of more than {MAX_MESSAGES} messages, which is the most that is taken"
    ))
}

fn decoded_bytes(messages: u64) -> usize {
    usize::try_from(messages).unwrap_or(usize::MAX).saturating_mul(DECODED_BYTES)
}

/// The message in protobuf; and if ids had to be made ones that can be read, what was wrong with the first.
fn from_json(text: &[u8], share: &mut Share<'_>) -> Result<(Bytes, Option<String>), Refusal> {
    // Each message is an object, and an object has a brace.
    let objects = text.iter().filter(|&&byte| byte == b'{').count() as u64;
    if objects > MAX_MESSAGES {
        return Err(too_many());
    }
    share.take(decoded_bytes(objects))?;
    let read = |text: &[u8]| serde_json::from_slice::<ExportTraceServiceRequest>(text);
    let (request, mended) = match read(text) {
        Ok(request) => (request, None),
        Err(error) => {
            // For the text that is mended.
            share.take(text.len())?;
            let (text, first) = mend_ids(text).ok_or_else(|| malformed("JSON", &error))?;
            (read(&text).map_err(|error| malformed("JSON", &error))?, Some(first))
        }
    };
    Ok((request.encode_to_vec().into(), mended))
}

/// The message without its unfit spans.
fn sift(message: &[u8]) -> Result<(Bytes, Taken), Refusal> {
    let mut request =
        ExportTraceServiceRequest::decode(message).map_err(|error| malformed("protobuf", &error))?;
    let (rejected, first) = keep_fit(&mut request);
    let message = first.map_or_else(String::new, |first| first.to_string());
    Ok((request.encode_to_vec().into(), Taken { rejected, message }))
}
