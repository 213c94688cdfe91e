//! The differences between Envoy and the harness that are no faults, each with its reason.

mod situations;

use super::Difference;
use super::compare::matches;

/// Whose line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Only Envoy has it.
    Envoy,
    /// Only the harness has it.
    Harness,
    /// Each has it with another value.
    Both,
    /// As [`Both`](Self::Both), at times: it is a matter of which came first.
    AtTimes,
}

/// A line that may differ.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// The program; a star is any of them.
    pub program: &'static str,
    /// Whose line it is.
    pub host: Host,
    /// The line; a star is any text.
    pub line: &'static str,
    /// Why it is no fault.
    pub reason: &'static str,
}

const fn row(program: &'static str, host: Host, line: &'static str, reason: &'static str) -> Allowed {
    Allowed { program, host, line, reason }
}

const EMPTY: &str = "a piece of a body that the guest has emptied: Envoy tells the next filter of it, on the wire it is nothing";
const WRITTEN: &str = "Envoy's codec has written the head when it is logged: `date` and `server` are added, `transfer-encoding` is gone";
const MADE: &str =
    "trailers that a guest has made where none came can be read and changed until on_log, to no effect";
const TWICE: &str =
    "Envoy tells the next filter twice of trailers that were made while a body was held; they are sent once";
const CLOCK: &str = "the time of day, and how long something took";
const CLOSED: &str =
    "Envoy takes a message on a stream while it tells the guest that the stream is closed; it goes nowhere";
const ORDER: &str = "Envoy writes the entries of a map that is a property in the order of a hash";
const SOON: &str = "Envoy may be connected before the last of a request has come; the harness is told when the response comes";
const PLACE: &str = "where the test's processes listen, and how many connections there were";
const WIRE: &str =
    "what the codec or the router has counted so far: for the embedder to set; here it is a constant";
const MESSAGE: &str = "a message of Envoy's own configuration, which the harness has not";

/// All of them.
pub const ALLOWED: [Allowed; 45] = [
    row("*", Host::Envoy, "data ", EMPTY),
    row("headers", Host::Both, "all of 2 → 0 *", WRITTEN),
    row("statuses", Host::Both, "pairs of 2 → 0 *", WRITTEN),
    row("statuses", Host::Envoy, "size of ? → 0 0", MADE),
    row("statuses", Host::Harness, "size of ? → 2", MADE),
    row("statuses", Host::Envoy, "get of ? → 1", MADE),
    row("statuses", Host::Harness, "get of ? → 2", MADE),
    row("statuses", Host::Envoy, "remove from ? → 0", MADE),
    row("statuses", Host::Harness, "remove from ? → 2", MADE),
    row(
        "statuses",
        Host::Both,
        "get_status → 0 *",
        "Envoy fails a call to an unknown cluster by a late answer, whose status stays; the harness refuses the call only",
    ),
    row("trailers", Host::Envoy, "trailers", TWICE),
    row("trailers", Host::Envoy, "  x-early: 1", TWICE),
    row(
        "grpc",
        Host::Both,
        "initial metadata → 0 \":status\"=\"200\" \"content-type\"=\"application/grpc\" \"date\"=*",
        CLOCK,
    ),
    row(
        "grpc",
        Host::Both,
        "trailing metadata → 0 \":status\"=\"200\" \"content-type\"=\"application/grpc\" \"grpc-status\"=\"7\" \"date\"=*",
        CLOCK,
    ),
    row("grpc", Host::Envoy, "send to the closed → 0", CLOSED),
    row("grpc", Host::Harness, "send to the closed → 1", CLOSED),
    row("properties", Host::Both, "request.headers → 0 *", ORDER),
    row("properties", Host::Both, "response.headers → 0 *", ORDER),
    row("properties", Host::Both, "response.trailers → 0 *", ORDER),
    row("properties", Host::Both, "connection.id → 0 *", PLACE),
    row("properties", Host::Both, "source.address → 0 \"127.0.0.1:*", PLACE),
    row("properties", Host::Both, "source.port → 0 *", PLACE),
    row("properties", Host::Both, "destination.address → 0 \"127.0.0.1:*", PLACE),
    row("properties", Host::Both, "destination.port → 0 *", PLACE),
    row("properties", Host::Both, "upstream.address → 0 \"127.0.0.1:*", PLACE),
    row("properties", Host::Both, "upstream.port → 0 *", PLACE),
    row("properties", Host::Both, "upstream.local_address → 0 \"127.0.0.1:*", PLACE),
    row("properties", Host::Both, "request.time → 0 *", CLOCK),
    row("properties", Host::Both, "request.duration → 0 *", CLOCK),
    row("properties", Host::Both, "upstream.cx_pool_ready_duration → 0 *", CLOCK),
    row("properties", Host::Both, "request.size → 0 *", WIRE),
    row("properties", Host::Both, "request.total_size → 0 *", WIRE),
    row("properties", Host::Both, "response.size → 0 *", WIRE),
    row("properties", Host::Both, "response.total_size → 0 *", WIRE),
    row("properties", Host::Envoy, "response.backend_latency → 0 *", WIRE),
    row("properties", Host::Harness, "response.backend_latency → 1", WIRE),
    row("properties", Host::Both, "upstream.request_attempt_count → 0 *", WIRE),
    row("properties", Host::Harness, "upstream.local_address → 1", SOON),
    row("properties", Host::Harness, "upstream.cx_pool_ready_duration → 1", SOON),
    row("properties", Host::Envoy, "xds.node → 0 *", MESSAGE),
    row("properties", Host::Harness, "xds.node → 1", MESSAGE),
    row("properties", Host::Envoy, "xds.upstream_host_metadata → 3", MESSAGE),
    row("properties", Host::Harness, "xds.upstream_host_metadata → 1", MESSAGE),
    row("properties", Host::Envoy, "xds.upstream_host_locality_metadata → 3", MESSAGE),
    row("properties", Host::Harness, "xds.upstream_host_locality_metadata → 1", MESSAGE),
];

const SERVER: &str = "Envoy names itself in every response; the proxy leaves what the upstream says";
const PHRASE: &str = "the words behind a status are the HTTP library's, and mean nothing";
const LENGTH: &str = "a message without a body may say so by a length, or not";
const UNTOLD: &str = "trailers over HTTP/1.1 go on only if the head announces them, and a response's if the client said `te: trailers`, by the HTTP library's rule";
const JOINED: &str = "Envoy joins the values of headers that it knows by a comma, which is the same list";
const UNSAID: &str =
    "Envoy has words of its own where a gRPC status comes without a message; the proxy has none";

const HEADLESS: &str =
    "where the guest takes the length away, Envoy says of a body that HEAD leaves out how it would be sent";
const UNREAD: &str = "of a large request that is answered locally the proxy has read the end already where Envoy has not, which then closes the connection";
const BEYOND: &str = "what a guest adds to a body of known length Envoy writes behind its end; the HTTP library keeps to the length";

/// What differs besides on the wires around `meshspan proxy`.
pub const LIVE: [Allowed; 18] = [
    row("*", Host::Envoy, "  date: *", "Envoy dates every response; the proxy leaves what the upstream says"),
    row("*", Host::Envoy, "  server: envoy", SERVER),
    row("*", Host::Harness, "  server: apache/2.4", SERVER),
    row("*", Host::Both, "  : HTTP/1.1 *", PHRASE),
    row("*", Host::Both, "  content-length: 0", LENGTH),
    row("*", Host::Envoy, "unannounced trailers", UNTOLD),
    row("*", Host::Envoy, "  unannounced *", UNTOLD),
    row("*", Host::Envoy, "  accept: text/html,text/plain", JOINED),
    row("*", Host::Harness, "  accept: text/html", JOINED),
    row("*", Host::Harness, "  accept: text/plain", JOINED),
    row(
        "*",
        Host::Harness,
        "  referer: *",
        "Envoy takes away a referer that is no URL of its grammar; the proxy lets the client say what it likes",
    ),
    row("grpc", Host::Envoy, "get_status → 0 ? via_upstream", UNSAID),
    row("grpc", Host::Harness, "get_status → 0 ? ", UNSAID),
    row("headers", Host::Harness, "  server: added", SERVER),
    row("bodies", Host::Envoy, "  transfer-encoding: chunked", HEADLESS),
    row("buffer", Host::Envoy, "  transfer-encoding: chunked", HEADLESS),
    row("statuses", Host::Envoy, "data x", BEYOND),
    row("*", Host::Envoy, "  connection: close", UNREAD),
];

/// What differs of the exchanges of the corpus through the filter: the program is the exchange's name.
pub const CORPUS: [Allowed; 4] = [
    row("accept twice", Host::Envoy, "accept: text/html,text/plain", JOINED),
    row("accept twice", Host::Harness, "accept: text/html", JOINED),
    row("accept twice", Host::Harness, "accept: text/plain", JOINED),
    row(
        "user agent",
        Host::Harness,
        "referer: *#*",
        "Envoy's connection manager takes away a referer with a fragment before a filter sees it; the harness is given what was sent",
    ),
];

/// How often each row of a list explained a line of either host.
#[derive(Clone, Debug)]
pub struct Uses(Vec<(&'static Allowed, [usize; 2])>);

impl Default for Uses {
    fn default() -> Uses {
        Uses::of(&ALLOWED)
    }
}

impl Uses {
    fn of(rows: &'static [Allowed]) -> Uses {
        Uses(rows.iter().map(|row| (row, [0; 2])).collect())
    }

    /// Of [`CORPUS`].
    pub fn of_corpus() -> Uses {
        Uses::of(&CORPUS)
    }

    /// Whether some row allows it; counts that one's use.
    pub fn allow(&mut self, program: &str, difference: &Difference) -> bool {
        let (host, line, place) = match difference {
            Difference::Envoy(line) => (Host::Envoy, line, 0),
            Difference::Harness(line) => (Host::Harness, line, 1),
        };
        let found = self.0.iter_mut().find(|(row, _)| {
            (row.program == "*" || row.program == program)
                && (row.host == host || matches!(row.host, Host::Both | Host::AtTimes))
                && matches(row.line, line)
        });
        match found {
            Some((_, uses)) => {
                uses[place] += 1;
                true
            }
            None => false,
        }
    }

    /// How many lines were explained, of both hosts.
    pub fn total(&self) -> usize {
        self.0.iter().flat_map(|(_, uses)| uses).sum()
    }

    /// The rows that explained nothing of a host that they name.
    pub fn stale(&self) -> Vec<&'static Allowed> {
        let is_used = |row: &Allowed, [envoy, harness]: [usize; 2]| match row.host {
            Host::Envoy => envoy > 0,
            Host::Harness => harness > 0,
            Host::Both => envoy > 0 && harness > 0,
            Host::AtTimes => true,
        };
        self.0.iter().filter(|(row, used)| !is_used(row, *used)).map(|(row, _)| *row).collect()
    }

    /// Each row with its count, to be printed.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(row, [envoy, harness])| {
            let Allowed { program, line, reason, .. } = row;
            format!("{envoy:6} {harness:6}  {program}: {line}: {reason}")
        })
    }
}

/// As [`Uses`], of several lists: what the harness is allowed is allowed to the proxy, too.
#[derive(Clone, Debug)]
pub struct LiveUses {
    own: Uses,
    common: Vec<Uses>,
}

impl Default for LiveUses {
    fn default() -> LiveUses {
        LiveUses { own: Uses::of(&LIVE), common: vec![Uses::default()] }
    }
}

impl LiveUses {
    /// Of what is allowed in situations, whose names stand where else a program's does.
    pub fn of_situations() -> LiveUses {
        LiveUses { own: Uses::of(&situations::LIVE), common: vec![Uses::of(&LIVE), Uses::default()] }
    }

    /// The same around the harness.
    pub fn of_driven() -> LiveUses {
        LiveUses { own: Uses::of(&situations::DRIVEN), common: vec![Uses::default()] }
    }

    /// Of the tracing filter's spans there.
    pub fn of_spans() -> LiveUses {
        LiveUses { own: Uses::of(&situations::SPANS), common: Vec::new() }
    }

    /// Whether some row allows it; counts that one's use.
    pub fn allow(&mut self, program: &str, difference: &Difference) -> bool {
        self.own.allow(program, difference)
            || self.common.iter_mut().any(|uses| uses.allow(program, difference))
    }

    /// The rows of the proxy's own list that explained nothing.
    pub fn stale(&self) -> Vec<&'static Allowed> {
        self.own.stale()
    }

    /// Each row with its count, to be printed.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.own.lines().chain(self.common.iter().flat_map(Uses::lines))
    }
}
