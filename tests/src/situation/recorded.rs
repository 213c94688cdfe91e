//! Recorded exchanges as scripts: a client that sends what was recorded, an upstream that answers so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meshspan::traffic::{self, Chunk, Exchange};
use tokio::net::TcpListener;

use super::Protocol;
use super::ends::as_client;
use super::http1::Http1;
use super::http2::Http2;
use super::player::{Meeting, play};
use super::script::{Script, answer, request};
use super::seen::Seen;

/// The header that tells the guests an exchange's number.
pub(super) const NUMBER: &str = "x-exchange";
/// Between two pieces of a body, so that they are read as two.
const APART: Duration = Duration::from_millis(2);

/// A recorded exchange, over one protocol.
#[derive(Clone, Copy, Debug)]
pub struct Played<'a> {
    /// What was recorded.
    pub exchange: &'a Exchange,
    /// Tells it from others.
    pub number: usize,
    /// What is spoken.
    pub protocol: Protocol,
}

/// Sends the request to a port of 127.0.0.1; what came back.
pub async fn fetch(played: Played<'_>, port: u16) -> Seen {
    let meeting = Meeting::of_one();
    as_client(played.protocol, port, "", &client(played.exchange, played.number), &meeting).await
}

/// What an upstream answers next, and what it has seen.
#[derive(Debug, Default)]
pub struct Desk {
    /// The exchange that is current.
    pub current: Option<(Exchange, Protocol)>,
    /// What came, once its exchange was over.
    pub seen: Vec<Seen>,
    /// Requests whose exchange is not over.
    pub open: usize,
}

/// Answers every connection by the exchange that is current when a request comes: a proxy may keep a connection that
/// it did not need after all.
///
/// Over HTTP/2 a connection serves one exchange; if `says_so`, the client is told.
pub async fn serve(listener: TcpListener, desk: Arc<Mutex<Desk>>, says_so: bool) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let now = desk.lock().expect("no server panics").current.clone();
        let Some((exchange, protocol)) = now else { continue };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let (first, meeting) = (upstream(&exchange), Meeting::of_one());
            let script = || {
                let now = desk.lock().expect("no server panics").current.clone();
                now.map_or_else(|| first.clone(), |(exchange, _)| upstream(&exchange))
            };
            let seen = match protocol {
                Protocol::Http1 => {
                    let mut wire = Http1::accept(socket, &first).await;
                    let script = script();
                    desk.lock().expect("no server panics").open += 1;
                    play(&mut wire, &script, &meeting).await;
                    Some(wire.finish().await)
                }
                // A guest that answers itself may end the exchange before it has come here.
                Protocol::Http2 => match Http2::try_accept(socket, says_so).await {
                    Some(mut wire) => {
                        let script = script();
                        desk.lock().expect("no server panics").open += 1;
                        play(&mut wire, &script, &meeting).await;
                        Some(wire.finish())
                    }
                    None => None,
                },
            };
            let Some(seen) = seen else { return };
            let mut desk = desk.lock().expect("no server panics");
            desk.seen.push(seen);
            desk.open -= 1;
        });
    }
}

fn client(exchange: &Exchange, number: usize) -> Script {
    let recorded = &exchange.request;
    let script = request(&recorded.method, &recorded.path).host(&recorded.authority);
    // Envoy would add the second, as the first proxy.
    let script = script.field(NUMBER, number.to_string()).field("x-forwarded-proto", "http");
    message(script, &recorded.headers, recorded.body.as_deref(), &recorded.trailers)
}

fn upstream(exchange: &Exchange) -> Script {
    let recorded = &exchange.response;
    message(answer(recorded.status), &recorded.headers, recorded.body.as_deref(), &recorded.trailers)
}

fn message(
    mut script: Script,
    headers: &traffic::Headers,
    body: Option<&[Chunk]>,
    trailers: &traffic::Headers,
) -> Script {
    for (name, value) in headers {
        script = script.field(name, value);
    }
    for (place, chunk) in body.unwrap_or_default().iter().enumerate() {
        let script_so_far = if place > 0 { script.pause(APART) } else { script };
        script = script_so_far.data(&chunk.data);
    }
    if trailers.is_empty() { script } else { script.trailing(trailers) }
}
