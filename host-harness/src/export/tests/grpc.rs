use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tonic::{
    Code, Request, Response, Status,
    codec::CompressionEncoding,
    transport::{Server, server::TcpIncoming},
};
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

pub(super) type Reply = Result<ExportTraceServiceResponse, Status>;

#[derive(Clone, Default)]
pub(super) struct Collector {
    /// The last one is given for ever.
    replies: Arc<Mutex<Vec<Option<Reply>>>>,
    pub(super) requests: Arc<Mutex<Vec<Request<ExportTraceServiceRequest>>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.requests.lock().unwrap().push(request);
        let reply = {
            let mut replies = self.replies.lock().unwrap();
            if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
        };
        match reply {
            Some(reply) => reply.map(Response::new),
            None => std::future::pending().await,
        }
    }
}

pub(super) fn ok() -> Option<Reply> {
    Some(Ok(ExportTraceServiceResponse::default()))
}

fn error(status: Status) -> Option<Reply> {
    Some(Err(status))
}

pub(super) async fn serve(replies: Vec<Option<Reply>>) -> (String, Collector) {
    let collector = Collector { replies: Arc::new(Mutex::new(replies)), ..Collector::default() };
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", incoming.local_addr().unwrap());
    let service = TraceServiceServer::new(collector.clone()).accept_compressed(CompressionEncoding::Gzip);
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
    (endpoint, collector)
}

async fn run(replies: Vec<Option<Reply>>, count: u8) -> (ExportReport, Collector) {
    let (endpoint, collector) = serve(replies).await;
    (export(config(&endpoint, Protocol::Grpc), count).await, collector)
}

#[tokio::test]
async fn spans_headers_and_user_agent_arrive() {
    for compression in [Compression::None, Compression::Gzip] {
        let (endpoint, collector) = serve(vec![ok()]).await;
        let mut config = ExporterConfig { compression, ..config(&endpoint, Protocol::Grpc) };
        config.headers.insert("x-tenant", "t1".parse().unwrap());
        assert_eq!(export(config, 3).await.exported, 3);
        let request = collector.requests.lock().unwrap().remove(0);
        assert_eq!(request.metadata().get("x-tenant").unwrap(), "t1");
        let agent = request.metadata().get("user-agent").unwrap().to_str().unwrap();
        assert!(agent.starts_with("meshspan/") && agent.contains(" OTel-OTLP-Exporter-Rust/"), "{agent}");
        let encoding =
            request.metadata().get("grpc-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(encoding.as_deref(), (compression == Compression::Gzip).then_some("gzip"));
        assert_eq!(request.into_inner().resource_spans, spans(3));
    }
}

#[tokio::test]
async fn rule_40_only_the_retryable_are_tried_again() {
    let with_info = |millis| {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(millis)));
        error(Status::with_error_details(Code::ResourceExhausted, "full", details))
    };
    for (reply, attempts, exported, reason) in [
        (error(Status::unavailable("x")), 2, 2, ""),
        (error(Status::data_loss("x")), 2, 2, ""),
        (with_info(1), 2, 2, ""),
        (None, 2, 2, ""),
        (with_info(31_000), 1, 0, "gRPC RESOURCE_EXHAUSTED"),
        (error(Status::resource_exhausted("x")), 1, 0, "gRPC RESOURCE_EXHAUSTED"),
        (error(Status::invalid_argument("x")), 1, 0, "gRPC INVALID_ARGUMENT"),
        (error(Status::unauthenticated("x")), 1, 0, "gRPC UNAUTHENTICATED"),
        (error(Status::internal("x")), 1, 0, "gRPC INTERNAL"),
    ] {
        let (report, collector) = run(vec![reply.clone(), ok()], 2).await;
        assert_eq!(report.exported, exported, "{reply:?}: {report:?}");
        assert_eq!(collector.requests.lock().unwrap().len(), attempts, "{reply:?}: {report:?}");
        assert_eq!(report.dropped.keys().next().map_or("", String::as_str), reason, "{reply:?}");
        assert!(!report.unreachable, "{reply:?}");
    }
}

#[tokio::test]
async fn rule_39_partial_success_is_counted_and_never_retried() {
    let partial = ExportTracePartialSuccess { rejected_spans: 2, error_message: "bad ids".to_owned() };
    let reply = Some(Ok(ExportTraceServiceResponse { partial_success: Some(partial) }));
    let (report, collector) = run(vec![reply, ok()], 5).await;
    assert_eq!((report.exported, report.rejected, report.retries), (3, 2, 0));
    assert_eq!(report.warnings, ["the collector says: bad ids"]);
    assert_eq!(collector.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn rule_44_a_silent_collector_times_out() {
    let (report, _) = run(vec![None], 1).await;
    assert_eq!(report.dropped, [("timed out".to_owned(), 1)].into());
    assert!(report.unreachable);
}
