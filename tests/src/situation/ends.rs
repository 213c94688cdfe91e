//! The two ends of an exchange around whatever proxy: a client, and an upstream for each attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::http1::Http1;
use super::http2::Http2;
use super::player::{Meeting, PATIENCE, play};
use super::script::Script;
use super::seen::{Event, Seen};
use super::{Protocol, Situation};

/// For how long after a client's end an attempt may still come to the upstream.
const LATE: Duration = Duration::from_millis(10);

/// A port where an upstream listens, and what plays it.
#[derive(Debug)]
pub(crate) struct Ends {
    runtime: Runtime,
    upstream: TcpListener,
}

/// What tells an exchange from others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    /// The context that the request comes with; none if empty.
    pub(crate) traceparent: String,
    /// The number by which a guest knows it, which then may keep either end from what its script waits for: so
    /// neither waits for long.
    pub(crate) number: Option<usize>,
}

/// What both ends saw of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Views {
    /// The client.
    pub client: Seen,
    /// The upstream, at each attempt.
    pub upstreams: Vec<Seen>,
}

impl Views {
    /// Whether a script waited for something that did not come.
    pub fn is_stuck(&self) -> bool {
        self.client.is_stuck() || self.upstreams.iter().any(Seen::is_stuck)
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "   the client\n{}", self.client)?;
        self.upstreams.iter().try_for_each(|upstream| write!(f, "   the upstream\n{upstream}"))
    }
}

impl Ends {
    /// An upstream on a free port.
    pub(crate) fn start() -> Ends {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let upstream = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        Ends { runtime, upstream }
    }

    /// Where the upstream listens.
    pub(crate) fn upstream_port(&self) -> u16 {
        self.upstream.local_addr().expect("a bound listener has an address").port()
    }

    /// Plays a situation around the proxy that listens on `port`.
    pub(crate) fn play(&self, situation: &Situation, protocol: Protocol, port: u16, label: &Label) -> Views {
        let meeting = Meeting::of_two(label.number.is_some());
        let script =
            label.number.map_or_else(|| situation.client.clone(), |number| situation.client.numbered(number));
        self.runtime.block_on(async {
            let mut playing = Vec::new();
            let client = as_client(protocol, port, &label.traceparent, &script, &meeting);
            let upstreams = self.accept(protocol, situation, label, &meeting, &mut playing);
            let client = match label.number {
                Some(_) => before_all_are_served(client, upstreams).await,
                None => tokio::join!(client, upstreams).0,
            };
            meeting.client_is_over();
            let mut upstreams = Vec::new();
            for one in playing {
                upstreams.extend(one.await.expect("an upstream plays to its end"));
            }
            let more = timeout(Duration::from_millis(2), self.upstream.accept()).await;
            if more.is_ok() {
                upstreams.push(std::iter::once(Event::Stuck("one connection more".to_owned())).collect());
            }
            Views { client, upstreams }
        })
    }

    /// Serves one connection by each script, in this order; of a hedged request several at a time.
    async fn accept(
        &self,
        protocol: Protocol,
        situation: &Situation,
        label: &Label,
        meeting: &Arc<Meeting>,
        playing: &mut Vec<JoinHandle<Option<Seen>>>,
    ) {
        let once = label.number.is_some();
        for script in &situation.upstreams {
            let Ok(accepted) = timeout(PATIENCE, self.upstream.accept()).await else { break };
            let (socket, _) = accepted.expect("a connection");
            let (script, meeting) = (script.clone(), Arc::clone(meeting));
            playing.push(tokio::spawn(as_upstream(protocol, socket, script, meeting, once)));
        }
        // A guest may send a request elsewhere than to where its script has it.
        while once && let Ok((socket, _)) = self.upstream.accept().await {
            drop(socket);
            playing.push(tokio::spawn(async { Some(std::iter::once(Event::Closed).collect()) }));
        }
    }
}

/// The client comes to its end though not every attempt may come to the upstream.
async fn before_all_are_served(
    client: impl Future<Output = Seen>,
    upstreams: impl Future<Output = ()>,
) -> Seen {
    tokio::pin!(client, upstreams);
    tokio::select! {
        client = &mut client => {
            let _ = timeout(LATE, upstreams).await;
            client
        }
        () = &mut upstreams => client.await,
    }
}

/// Over HTTP/2 a connection serves one exchange; if `says_so`, the proxy is told.
async fn as_upstream(
    protocol: Protocol,
    socket: TcpStream,
    script: Script,
    meeting: Arc<Meeting>,
    says_so: bool,
) -> Option<Seen> {
    // A connection for a request that was given up meanwhile stays without one.
    let given_up = async {
        meeting.until_client_is_over().await;
        sleep(LATE).await;
    };
    match protocol {
        Protocol::Http2 if script.speaks_http() => {
            let accepted = tokio::select! {
                accepted = Http2::try_accept(socket, says_so) => accepted,
                () = given_up => None,
            };
            let mut wire = accepted.or_else(|| {
                assert!(says_so, "HTTP/2 with prior knowledge, and a whole head");
                None
            })?;
            play(&mut wire, &script, &meeting).await;
            Some(wire.finish())
        }
        _ => {
            let mut wire = tokio::select! {
                wire = Http1::accept(socket, &script) => wire,
                () = given_up => return None,
            };
            play(&mut wire, &script, &meeting).await;
            Some(wire.finish().await)
        }
    }
}

pub(super) async fn as_client(
    protocol: Protocol,
    port: u16,
    traceparent: &str,
    script: &Script,
    meeting: &Meeting,
) -> Seen {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the proxy listens");
    match protocol {
        Protocol::Http1 => {
            let mut wire = Http1::connect(socket, traceparent);
            play(&mut wire, script, meeting).await;
            wire.finish().await
        }
        Protocol::Http2 => {
            let mut wire = Http2::connect(socket, traceparent).await;
            play(&mut wire, script, meeting).await;
            wire.finish()
        }
    }
}
