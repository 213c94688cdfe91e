//! One exchange: its driver moves pieces between client, filter and upstream, both ways at once, and reads
//! no more than can be sent on.

mod receive;
mod send;

use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use tokio::sync::{Notify, oneshot};

use super::body::{Body, Broken};
use super::breach::Breach;
use super::lanes::{Came, Sink, Source};
use super::passage::Passage;
use super::properties::{self, Connection, Properties};
use super::stats::count;
use super::tape::Tape;
use super::upstream::{Answer, SendError};
use super::worker::Worker;
use super::{clock, limits, wire};
use crate::flow::{Part, Side};
use crate::host::HeaderMap;
use crate::time::Timestamp;
use crate::vm::PropertyValue;

type Call = Pin<Box<dyn Future<Output = Result<Answer, SendError>> + Send>>;

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Running,
    Completed,
    /// Ended in the middle, by us or behind us.
    Reset,
    /// Left by the client.
    Abandoned,
}

/// What happens next.
enum Event {
    SentToClient(bool),
    SentToUpstream(bool),
    Answered(Result<Answer, SendError>),
    FromClient(Came),
    FromUpstream(Came),
    Woken,
    Left,
}

/// An exchange under way.
pub(super) struct Exchange {
    worker: Arc<Worker>,
    connection: Arc<Connection>,
    passage: Passage,
    wake: Arc<Notify>,
    progress: Progress,
    began: Timestamp,
    called: Option<Timestamp>,
    is_http2: bool,
    upstream_is_http2: bool,
    leaves_http: bool,
    /// What an upgrade leaves it for.
    upgrade: Vec<u8>,
    /// The client's connection cannot be used again: its request is not read to the end.
    closes: bool,
    from_client: Source,
    to_upstream: Sink,
    call: Option<Call>,
    from_upstream: Source,
    to_client: Sink,
    respond: Option<oneshot::Sender<Response<Body>>>,
    client_upgrade: Option<OnUpgrade>,
    upstream_upgrade: Option<OnUpgrade>,
    /// The filter wants no more of the request, or of the response, for now.
    stopped: [bool; 2],
    bytes: [u64; 2],
    tape: Option<Tape>,
}

/// Serves one request: its response's head, whose body comes as the driver goes on.
///
/// # Errors
/// [`Broken`] if the exchange ends without a response.
pub(super) async fn serve(
    worker: Arc<Worker>,
    connection: Arc<Connection>,
    mut request: Request<hyper::body::Incoming>,
) -> Result<Response<Body>, Broken> {
    count(&worker.counts.requests);
    let (respond, response) = oneshot::channel();
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let (began, wake) = (clock::now(), Arc::new(Notify::new()));
    let leaves_http = wire::is_upgrade(&parts);
    let head = wire::request_head(&parts, connection.scheme());
    let is_http2 = parts.version == hyper::Version::HTTP_2;
    if limits::is_too_large(&head) {
        tracing::debug!("a request's head is too large");
        return refuse(&worker, is_http2, limits::refusal());
    }
    if wire::lacks_authority(&parts) {
        tracing::debug!("a request names no host");
        return refuse(&worker, is_http2, limits::bad_request());
    }
    let end = !leaves_http && hyper::body::Body::is_end_stream(&body);
    let passage = Passage::open(&worker, is_http2, &head, &wake);
    passage.describe(connection.describe(parts.version, began));
    let exchange = Exchange {
        connection,
        passage,
        wake,
        progress: Progress::Running,
        began,
        called: None,
        is_http2,
        upstream_is_http2: is_http2,
        leaves_http,
        upgrade: head.first("upgrade").unwrap_or_default().to_vec(),
        closes: false,
        from_client: if end || leaves_http { Source::Ended } else { Source::Body(body) },
        to_upstream: Sink::default(),
        call: None,
        from_upstream: Source::Ended,
        to_client: Sink::default(),
        respond: Some(respond),
        client_upgrade: leaves_http.then_some(upgrade),
        upstream_upgrade: None,
        stopped: [false; 2],
        bytes: [0; 2],
        tape: worker.recorder.as_ref().map(|recorder| recorder.tape(began, &head)),
        worker,
    };
    tokio::spawn(exchange.run(head, end));
    response.await.map_err(|_| Broken)
}

/// A head that no filter sees: answered, or, over HTTP/2, reset.
fn refuse(worker: &Worker, is_http2: bool, answer: Response<Body>) -> Result<Response<Body>, Broken> {
    if is_http2 {
        count(&worker.counts.reset);
        return Err(Broken);
    }
    count(&worker.counts.answered);
    count(&worker.counts.completed);
    Ok(answer)
}

impl Exchange {
    async fn run(mut self, head: HeaderMap, end: bool) {
        if end {
            self.note(|tape, now| tape.end(Side::Request, now));
        }
        self.show(Side::Request, Part::Head(head), end);
        while self.progress == Progress::Running {
            let event = self.next().await;
            self.handle(event);
        }
        self.finish();
    }

    /// Waits for what happens next. Nothing is read that cannot be sent on.
    async fn next(&mut self) -> Event {
        let Self { from_client, to_upstream, call, from_upstream, to_client, respond, wake, stopped, .. } =
            self;
        let [request_stopped, response_stopped] = *stopped;
        let reads_client = from_client.is_open() && to_upstream.has_room() && !request_stopped;
        let reads_upstream = from_upstream.is_open() && to_client.has_room() && !response_stopped;
        let is_answered = respond.is_none();
        let has_call = call.is_some();
        tokio::select! {
            sent = to_client.progress(), if is_answered => Event::SentToClient(sent),
            sent = to_upstream.send_one(), if to_upstream.is_busy() => Event::SentToUpstream(sent),
            answer = async { match call { Some(call) => call.await, None => std::future::pending().await } },
                if has_call => Event::Answered(answer),
            came = from_client.next(), if reads_client => Event::FromClient(came),
            came = from_upstream.next(), if reads_upstream => Event::FromUpstream(came),
            () = async { match respond { Some(respond) => respond.closed().await, None => std::future::pending().await } },
                if !is_answered => Event::Left,
            () = wake.notified() => Event::Woken,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::SentToClient(true) => {
                if self.to_client.is_done() {
                    self.progress = Progress::Completed;
                }
            }
            Event::SentToClient(false) if self.to_client.is_served() => self.progress = Progress::Completed,
            Event::SentToClient(false) | Event::Left => self.progress = Progress::Abandoned,
            // An upstream that reads no more may still answer.
            Event::SentToUpstream(sent) => {
                if !sent {
                    self.to_upstream.cut();
                    self.from_client = Source::Ended;
                }
            }
            Event::Answered(Ok(answer)) => self.take_answer(answer),
            Event::Answered(Err(error)) => self.fail(&error),
            Event::FromClient(Came::Broken(_)) => self.progress = Progress::Abandoned,
            Event::FromClient(Came::Gone) => {
                self.passage.describe(self.connection.left(self.is_http2));
                self.progress = Progress::Completed;
            }
            Event::FromClient(came) => self.take(Side::Request, came),
            Event::FromUpstream(Came::Gone) => {
                self.passage.describe(properties::broken_off(Breach::Termination));
                self.progress = Progress::Completed;
            }
            Event::FromUpstream(Came::Broken(breach)) => {
                self.passage.describe(properties::broken_off(breach));
                let outputs = self.passage.reset();
                self.act(outputs);
            }
            Event::FromUpstream(came) => self.take(Side::Response, came),
            Event::Woken => {
                let outputs = self.passage.outputs();
                self.act(outputs);
            }
        }
    }

    fn finish(mut self) {
        let counts = &self.worker.counts;
        match self.progress {
            Progress::Running | Progress::Completed => count(&counts.completed),
            Progress::Reset => {
                count(&counts.reset);
                self.to_client.break_off();
            }
            Progress::Abandoned => {
                count(&counts.abandoned);
                self.passage.describe(self.connection.left(self.is_http2));
            }
        }
        let [request, response] = self.bytes;
        let known: Properties = vec![
            (&["request", "duration"], PropertyValue::Duration(clock::now().since(self.began))),
            (&["request", "size"], properties::size(request)),
            (&["response", "size"], properties::size(response)),
        ];
        self.passage.describe(known);
        self.passage.close();
        if let (Some(tape), Some(recorder), Progress::Completed) =
            (self.tape.take(), &self.worker.recorder, self.progress)
        {
            recorder.write(tape);
        }
    }
}
