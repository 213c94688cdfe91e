//! Recorded exchanges as scripts: a client that sends what was recorded, an upstream that answers so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meshspan::traffic::{self, Chunk, Exchange};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::Protocol;
use super::http1::Http1;
use super::http2::Http2;
use super::player::play;
use super::script::{Script, answer, request};
use super::seen::Seen;
use super::stage::as_client;

/// The header that tells the guests an exchange's number.
const NUMBER: &str = "x-exchange";
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
    let meeting = Barrier::new(1);
    as_client(played.protocol, port, "", &client(played.exchange, played.number), &meeting).await
}

/// Answers every connection by the exchange that is current.
pub async fn serve(listener: TcpListener, current: Arc<Mutex<Option<(Exchange, Protocol)>>>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let now = current.lock().expect("no server panics").clone();
        let Some((exchange, protocol)) = now else { continue };
        tokio::spawn(async move {
            let (script, meeting) = (upstream(&exchange), Barrier::new(1));
            match protocol {
                Protocol::Http1 => {
                    let mut wire = Http1::accept(socket, &script).await;
                    play(&mut wire, &script, &meeting).await;
                    wire.finish().await;
                }
                Protocol::Http2 => {
                    // A guest that answers itself may end the exchange before it has come here.
                    if let Some(mut wire) = Http2::try_accept(socket).await {
                        play(&mut wire, &script, &meeting).await;
                    }
                }
            }
        });
    }
}

fn client(exchange: &Exchange, number: usize) -> Script {
    let recorded = &exchange.request;
    let script = request(&recorded.method, &recorded.path).host(&recorded.authority);
    let script = script.field(NUMBER, number.to_string());
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
