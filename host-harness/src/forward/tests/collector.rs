//! A collector for OTLP/HTTP that does as it is told and remembers what it was sent.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::net::{TcpListener, TcpSocket};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Status(u16),
    /// A part is rejected.
    Reject(u64),
    Never,
}

#[derive(Clone)]
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    answer: Answer,
    /// Of each request, and whether it was taken.
    seen: Vec<(Bytes, bool)>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(super) async fn at(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(64).unwrap();
        let state = Arc::new(Mutex::new(State { answer: Answer::Status(200), seen: Vec::new() }));
        let collector = Self { address: listener.local_addr().unwrap(), state };
        tokio::spawn(collector.clone().serve(listener));
        collector
    }

    pub(super) fn answers(&self, answer: Answer) {
        self.state.lock().unwrap().answer = answer;
    }

    pub(super) fn seen(&self) -> Vec<(Bytes, bool)> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The first byte of the id of each span that it took, in order.
    pub(super) fn taken(&self) -> Vec<u8> {
        let requests = self.seen().into_iter().filter(|(_, taken)| *taken);
        let requests = requests.map(|(bytes, _)| ExportTraceServiceRequest::decode(bytes).unwrap());
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(|span| span.span_id[0]).collect()
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let collector = self.clone();
            let service = hyper::service::service_fn(move |request| collector.clone().answer(request));
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answer = {
            let mut state = self.state.lock().unwrap();
            let answer = state.answer;
            state.seen.push((body, !matches!(answer, Answer::Never | Answer::Status(400..))));
            answer
        };
        let (status, text) = match answer {
            Answer::Status(status) => (status, String::new()),
            Answer::Reject(spans) => (200, format!(r#"{{"partialSuccess":{{"rejectedSpans":"{spans}"}}}}"#)),
            Answer::Never => std::future::pending().await,
        };
        let response = Response::builder().status(status).header("content-type", "application/json");
        Ok(response.body(Full::new(text.into())).unwrap())
    }
}
