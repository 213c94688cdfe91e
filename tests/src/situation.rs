//! One exchange that a proxy may meet, played twice, without the filter and with it: both ends have to see the
//! same to the byte, and the filter has to give the right spans. A situation reads as a sentence:
//!
//! ```text
//! when("a server breaks off", get("/"))
//!     .then(answer(200).data("half").meet().reset())
//!     .answered(200)
//!     .gives(pass("GET").error("upstream_reset_after_response_started"))
//! ```

mod ends;
mod http1;
mod http2;
mod live;
mod player;
mod recorded;
mod script;
mod seen;
mod spans;
mod stage;

pub use ends::Views;
pub(crate) use ends::{Ends, Label};
pub use live::{stage_beside_live, stage_beside_live_without_interim};
pub use recorded::{Desk, Played, fetch, serve};
pub use script::{Script, accept, answer, call, get, raw, request, silent, tunnel};
pub use seen::{Event, Fields, Seen};
pub(crate) use spans::Expected;
pub use spans::{Pass, Times, pass, rpc};
pub use stage::{Stage, stage, stage_attempts};

/// What is spoken from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1, or what a raw script says.
    Http1,
    /// HTTP/2 without TLS.
    Http2,
}

/// Requests that `situations.yaml` does more with than to send them on, and what: by target, authority, field or name.
const ROUTES: [(&str, &str); 18] = [
    ("/direct", "a route that answers"),
    ("/redirect", "a route that redirects"),
    ("/follow", "redirections that the proxy follows"),
    ("/timeout", "a route with a time limit"),
    ("/idle", "a route with a time limit"),
    ("/longest", "a route with a time limit"),
    ("/retry", "retries"),
    ("/hedge", "hedged requests"),
    ("/nobody", "several upstreams"),
    ("/refused", "an upstream that refuses"),
    ("/missing", "several upstreams"),
    ("nowhere.test", "virtual hosts"),
    ("/limited", "other filters"),
    ("x-abort", "other filters"),
    ("target.test:80", "the end of a tunnel"),
    ("no path", "a route for each path, and none for `*`"),
    ("a method that the proxy refuses", "an HTTP library that knows the methods there are"),
    ("broken off by the client", "an HTTP library that tells of a tunnel's reset"),
];

/// An exchange and what becomes of it.
#[derive(Clone, Debug)]
pub struct Situation {
    name: &'static str,
    protocols: &'static [Protocol],
    client: Script,
    upstreams: Vec<Script>,
    answered: Option<u16>,
    passes: Vec<Pass>,
}

/// What a client does, over either protocol; nobody upstream sees anything of it, nobody answers and no span
/// is made, so far.
pub fn when(name: &'static str, client: Script) -> Situation {
    let protocols = &[Protocol::Http1, Protocol::Http2];
    Situation { name, protocols, client, upstreams: Vec::new(), answered: None, passes: Vec::new() }
}

impl Situation {
    /// Over HTTP/1 only.
    #[must_use]
    pub fn over_http1(self) -> Situation {
        Situation { protocols: &[Protocol::Http1], ..self }
    }

    /// Over HTTP/2 only.
    #[must_use]
    pub fn over_http2(self) -> Situation {
        Situation { protocols: &[Protocol::Http2], ..self }
    }

    /// What the upstream does; with the next of these at its next attempt.
    #[must_use]
    pub fn then(mut self, upstream: Script) -> Situation {
        self.upstreams.push(upstream);
        self
    }

    /// The status that the client gets, in the end.
    #[must_use]
    pub fn answered(self, status: u16) -> Situation {
        Situation { answered: Some(status), ..self }
    }

    /// A pass through the filter; with the next of these, a pass below it.
    #[must_use]
    pub fn gives(mut self, pass: Pass) -> Situation {
        self.passes.push(pass);
        self
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is played over.
    pub fn protocols(&self) -> &'static [Protocol] {
        self.protocols
    }

    /// What it needs of Envoy that `meshspan proxy`, which has one upstream and one filter, has not.
    pub fn needs(&self) -> Option<&'static str> {
        ROUTES
            .iter()
            .find(|(what, _)| self.name == *what || self.client.is_about(what))
            .map(|(_, what)| *what)
    }
}
