//! Those who send.

use std::time::{Duration, SystemTime};

use meshspan::export::{Compression, Exporter, ExporterConfig};
use meshspan::forward::{Destination, Forwarder};
use meshspan::store::{Store, StoreOptions};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanProcessor};
use prost::bytes::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::SPANS;
use crate::spans::{BATCH, Spans, resource};

/// How long one round may last.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Subject {
    name: String,
    sender: Sender,
}

enum Sender {
    Sdk(BatchSpanProcessor),
    Exporter(Exporter),
    Stored { store: Store, destination: Destination, _directory: tempfile::TempDir },
}

/// What a subject is given, copied before the clock runs.
pub(crate) enum Input {
    Data(Vec<SpanData>),
    Batches(Vec<Vec<ResourceSpans>>),
    Requests(Vec<Bytes>),
}

/// Each without and with gzip.
pub(crate) fn all(runtime: &Runtime, port: u16) -> Vec<Subject> {
    let endpoint = format!("http://127.0.0.1:{port}");
    let _entered = runtime.enter();
    let subjects = [Compression::None, Compression::Gzip].into_iter().flat_map(|compression| {
        let packing = if compression == Compression::Gzip { "gzip" } else { "plain" };
        let subject = |name: &str, sender| Subject { name: format!("{name}, {packing}"), sender };
        [
            subject("SDK", Sender::Sdk(sdk(&endpoint, compression))),
            subject("meshspan", Sender::Exporter(exporter(&endpoint, compression))),
            subject("meshspan, stored first", stored(&endpoint, packing)),
        ]
    });
    subjects.collect()
}

impl Subject {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn prepare(&self, spans: &Spans) -> Input {
        match &self.sender {
            Sender::Sdk(_) => Input::Data(spans.data.clone()),
            Sender::Exporter(_) => Input::Batches(spans.batches.clone()),
            Sender::Stored { .. } => Input::Requests(spans.requests.clone()),
        }
    }

    /// Returns when all have arrived.
    pub(crate) fn send(&mut self, runtime: &Runtime, input: Input) {
        match (&mut self.sender, input) {
            (Sender::Sdk(processor), Input::Data(spans)) => {
                spans.into_iter().for_each(|span| processor.on_end(span));
                processor.force_flush().expect("the sink takes all");
            }
            (Sender::Exporter(exporter), Input::Batches(batches)) => {
                let report = runtime.block_on(export(exporter, batches));
                assert_eq!(report, SPANS as u64, "the sink takes all");
            }
            (Sender::Stored { store, destination, .. }, Input::Requests(requests)) => {
                runtime.block_on(forward(store, destination, requests));
            }
            _ => unreachable!("each is given its own"),
        }
    }
}

fn sdk(endpoint: &str, compression: Compression) -> BatchSpanProcessor {
    let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    if compression == Compression::Gzip {
        exporter = exporter.with_compression(opentelemetry_otlp::Compression::Gzip);
    }
    let config =
        BatchConfigBuilder::default().with_max_queue_size(SPANS).with_max_export_batch_size(BATCH).build();
    let exporter = exporter.build().expect("an exporter");
    let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    processor.set_resource(&resource());
    processor
}

fn exporter(endpoint: &str, compression: Compression) -> Exporter {
    let destination = destination(endpoint, "plain");
    let config = ExporterConfig { compression, max_batch_spans: BATCH, ..destination.config };
    Exporter::connect(config).expect("an exporter")
}

async fn export(exporter: &mut Exporter, batches: Vec<Vec<ResourceSpans>>) -> u64 {
    let (sender, receiver) = mpsc::channel(16);
    let feeding = tokio::spawn(async move {
        for batch in batches {
            sender.send(batch).await.expect("the exporter listens");
        }
    });
    let report = exporter.export_stream(receiver, &mut |_| ()).await;
    feeding.await.expect("all was handed in");
    report.exported
}

fn destination(endpoint: &str, packing: &str) -> Destination {
    let compression = if packing == "gzip" { "gzip" } else { "none" };
    let text = format!("{endpoint},protocol=grpc,compression={compression},name={packing}");
    Destination::parse(&text, || SystemTime::UNIX_EPOCH).expect("a destination")
}

fn stored(endpoint: &str, packing: &str) -> Sender {
    let directory = tempfile::tempdir().expect("a directory");
    let options = StoreOptions { destinations: vec![packing.to_owned()], ..StoreOptions::default() };
    let store = Store::open(&directory.path().join("spans.db"), options).expect("a store");
    Sender::Stored { store, destination: destination(endpoint, packing), _directory: directory }
}

/// As a receiver does: each request is in the file before the next of its sender; there are four senders.
async fn forward(store: &Store, destination: &Destination, requests: Vec<Bytes>) {
    let forwarder = Forwarder::start(store, vec![destination.clone()]).expect("a forwarder");
    let mut senders = tokio::task::JoinSet::new();
    for share in requests.chunks(requests.len().div_ceil(4)) {
        let (store, share) = (store.clone(), share.to_vec());
        senders.spawn(async move {
            for request in share {
                store.append(request, BATCH as u64).await.expect("the store keeps it");
            }
        });
    }
    senders.join_all().await;
    let stats = forwarder.stop(LIMIT).await;
    let exported: u64 = stats.values().map(|stats| stats.exported).sum();
    assert_eq!(exported, SPANS as u64, "the sink takes all");
}
