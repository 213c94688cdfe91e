//! Generates emojivoto's recordings: a vote-bot that lists and votes once a second, as
//! emojivoto-web/cmd/vote-bot/main.go does, and a browser that opens the leaderboard while it lists.
//! The same bytes at every run.

use std::collections::BTreeSet;

use base64::Engine as _;
use meshspan::traffic::{Exchange, Headers, Request, Response, Timing};
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Which trace headers the applications send.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Variant {
    B3,
    W3c,
}

/// Shortcode, and the method that votes for it. The first one's vote always fails.
const CHOICES: [(&str, &str); 12] = [
    (":doughnut:", "VoteDoughnut"),
    (":joy:", "VoteJoy"),
    (":sunglasses:", "VoteSunglasses"),
    (":poop:", "VotePoop"),
    (":ghost:", "VoteGhost"),
    (":mask:", "VoteMask"),
    (":nerd_face:", "VoteNerdFace"),
    (":pizza:", "VotePizza"),
    (":rainbow:", "VoteRainbow"),
    (":rocket:", "VoteRocket"),
    (":taco:", "VoteTaco"),
    (":tada:", "VoteTada"),
];
const EMOJI: &str = "/emojivoto.v1.EmojiService/";
const VOTING: &str = "/emojivoto.v1.VotingService/";
const SECONDS: u64 = 64;
/// Of twenty votes those that are for the doughnut: 15 %, as the vote-bot has it.
const DOUGHNUTS: [u32; 3] = [2, 9, 15];
/// One way through both proxies, in microseconds: what a source sees on top of the work itself.
const WAY: u64 = 530;

/// The recording in JSON Lines, in order of start.
pub(crate) fn recording(variant: Variant) -> String {
    let mut generator = Generator {
        variant,
        random: Xoshiro256PlusPlus::seed_from_u64(0x0e0b_7e55),
        exchanges: Vec::new(),
        votes: 0,
        voted: BTreeSet::new(),
    };
    for second in 0..SECONDS {
        let start = second * 1_000_000 + generator.between(0, 900);
        if second % 6 == 3 {
            let opened = start.saturating_sub(generator.between(2_000, 9_000));
            generator.page("browser", opened, "/api/list");
            let listed = opened + generator.between(300, 1_500);
            generator.leaderboard(listed);
        }
        let listed = generator.page("vote-bot", start, "/api/list");
        let vote = listed + generator.between(200, 700);
        generator.vote(vote);
    }
    generator.lines()
}

struct Generator {
    variant: Variant,
    random: Xoshiro256PlusPlus,
    /// In order of making; `id` and `parent` are indices into it.
    exchanges: Vec<Exchange>,
    votes: u32,
    voted: BTreeSet<&'static str>,
}

/// What one call answers.
struct Answer {
    status: u16,
    body_bytes: u64,
    /// gRPC status and message, if it is a gRPC call.
    grpc: Option<(&'static str, &'static str)>,
}

impl Answer {
    fn grpc(body_bytes: u64) -> Self {
        Self { status: 200, body_bytes, grpc: Some(("0", "")) }
    }

    fn json(status: u16, body_bytes: u64) -> Self {
        Self { status, body_bytes, grpc: None }
    }
}

impl Generator {
    /// A listing by `source`; gives the instant of its end, as all of these do.
    fn page(&mut self, source: &str, start: u64, path: &str) -> u64 {
        let page = self.reserve();
        let called = start + WAY + self.between(120, 400);
        let answered =
            self.call(page, "web", "emoji", called, format!("{EMOJI}ListAll"), Answer::grpc(4_812));
        self.finish_page(page, source, start, path, answered, Answer::json(200, 6_903))
    }

    fn vote(&mut self, start: u64) -> u64 {
        let doughnut = DOUGHNUTS.contains(&(self.votes % 20));
        self.votes += 1;
        let index = if doughnut { 0 } else { self.between(1, CHOICES.len() as u64) as usize };
        let (shortcode, method) = CHOICES[index];
        let page = self.reserve();
        let called = start + WAY + self.between(100, 350);
        let found =
            self.call(page, "web", "emoji", called, format!("{EMOJI}FindByShortcode"), Answer::grpc(32));
        let called = found + self.between(60, 240);
        let failed = Answer { status: 200, body_bytes: 0, grpc: Some(("2", "ERROR")) };
        let answer = if doughnut { failed } else { Answer::grpc(5) };
        let voted = self.call(page, "web", "voting", called, format!("{VOTING}{method}"), answer);
        let answer = if doughnut { Answer::json(500, 51) } else { Answer::json(200, 0) };
        if !doughnut {
            self.voted.insert(shortcode);
        }
        self.finish_page(page, "vote-bot", start, &format!("/api/vote?choice={shortcode}"), voted, answer)
    }

    fn leaderboard(&mut self, start: u64) -> u64 {
        let page = self.reserve();
        let called = start + WAY + self.between(100, 350);
        let results = self.voted.len() as u64;
        let answer = Answer::grpc(5 + 18 * results);
        let mut answered = self.call(page, "web", "voting", called, format!("{VOTING}Results"), answer);
        for _ in 0..results {
            let called = answered + self.between(20, 90);
            let method = format!("{EMOJI}FindByShortcode");
            answered = self.call(page, "web", "emoji", called, method, Answer::grpc(32));
        }
        let answer = Answer::json(200, 2 + 71 * results);
        self.finish_page(page, "browser", start, "/api/leaderboard", answered, answer)
    }

    /// A place for an exchange whose children are made before it is.
    fn reserve(&mut self) -> usize {
        let index = self.exchanges.len();
        self.exchanges.push(Exchange {
            id: index.to_string(),
            parent: None,
            source: String::new(),
            destination: String::new(),
            start: jiff::Timestamp::UNIX_EPOCH,
            request: Request {
                method: String::new(),
                scheme: "http".to_owned(),
                authority: String::new(),
                path: String::new(),
                ..Request::default()
            },
            response: Response { status: 200, ..Response::default() },
            timing_us: Timing { request_end: 0, response_start: 0, response_end: 0 },
        });
        index
    }

    fn finish_page(
        &mut self,
        page: usize,
        source: &str,
        start: u64,
        path: &str,
        called: u64,
        answer: Answer,
    ) -> u64 {
        let response_start = called + self.between(80, 420) + WAY - start;
        let response_end = response_start + self.between(20, 140);
        let mut headers = own_headers(&[("user-agent", agent(source)), ("accept-encoding", "gzip")]);
        headers.extend(self.context_headers(false));
        let exchange = &mut self.exchanges[page];
        source.clone_into(&mut exchange.source);
        "web".clone_into(&mut exchange.destination);
        exchange.start = instant(start);
        "GET".clone_into(&mut exchange.request.method);
        "web-svc.emojivoto:80".clone_into(&mut exchange.request.authority);
        path.clone_into(&mut exchange.request.path);
        exchange.request.headers = headers;
        let length = answer.body_bytes.to_string();
        exchange.response.status = answer.status;
        exchange.response.body_bytes = answer.body_bytes;
        exchange.response.headers =
            own_headers(&[("content-type", "application/json"), ("content-length", &length)]);
        exchange.timing_us = Timing { request_end: 0, response_start, response_end };
        start + response_end
    }

    /// A gRPC call that nobody else is called for.
    fn call(&mut self, page: usize, source: &str, to: &str, start: u64, path: String, answer: Answer) -> u64 {
        let index = self.reserve();
        // One call in sixteen is slow: a tail, as real services have.
        let work =
            self.between(250, 1_600) + if self.between(0, 16) == 0 { self.between(2_000, 14_000) } else { 0 };
        let request_end = self.between(8, 60);
        let response_start = 2 * WAY + request_end + work;
        let response_end = response_start + self.between(10, 60);
        let names =
            [("content-type", "application/grpc"), ("user-agent", "grpc-go/1.41.0"), ("te", "trailers")];
        let mut headers = own_headers(&names);
        headers.extend(self.context_headers(true));
        let request_bytes = if path.ends_with("FindByShortcode") { 18 } else { 5 };
        let exchange = &mut self.exchanges[index];
        exchange.parent = Some(page.to_string());
        source.clone_into(&mut exchange.source);
        to.clone_into(&mut exchange.destination);
        exchange.start = instant(start);
        "POST".clone_into(&mut exchange.request.method);
        exchange.request.authority = format!("{to}-svc.emojivoto:8080");
        exchange.request.path = path;
        exchange.request.headers = headers;
        exchange.request.body_bytes = request_bytes;
        exchange.response.status = answer.status;
        exchange.response.body_bytes = answer.body_bytes;
        exchange.response.headers = own_headers(&[("content-type", "application/grpc")]);
        if let Some((status, message)) = answer.grpc {
            exchange.response.trailers = own_headers(&[("grpc-status", status), ("grpc-message", message)]);
        }
        exchange.timing_us = Timing { request_end, response_start, response_end };
        start + response_end
    }

    fn context_headers(&mut self, grpc: bool) -> Headers {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        self.random.fill_bytes(&mut trace);
        self.random.fill_bytes(&mut span);
        let trace_hex = format!("{:032x}", u128::from_be_bytes(trace));
        let span_hex = format!("{:016x}", u64::from_be_bytes(span));
        match (self.variant, grpc) {
            (Variant::W3c, _) => {
                own_headers(&[("traceparent", format!("00-{trace_hex}-{span_hex}-01").as_str())])
            }
            (Variant::B3, false) => own_headers(&[
                ("x-b3-traceid", &trace_hex),
                ("x-b3-spanid", &span_hex),
                ("x-b3-sampled", "1"),
            ]),
            (Variant::B3, true) => {
                let mut bytes = vec![0, 0];
                bytes.extend(trace);
                bytes.push(1);
                bytes.extend(span);
                bytes.extend([2, 1]);
                let text = base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
                own_headers(&[("grpc-trace-bin", &text)])
            }
        }
    }

    /// From `low` to below `high`.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.next_u64() % (high - low)
    }

    fn lines(mut self) -> String {
        self.exchanges.sort_by_key(|exchange| exchange.start);
        let place = |id: &str| self.exchanges.iter().position(|exchange| exchange.id == id).unwrap() + 1;
        let names: Vec<_> = self
            .exchanges
            .iter()
            .map(|exchange| (place(&exchange.id), exchange.parent.as_deref().map(place)))
            .collect();
        let mut lines = String::new();
        for (exchange, (id, parent)) in self.exchanges.iter_mut().zip(names) {
            exchange.id = id.to_string();
            exchange.parent = parent.map(|parent| parent.to_string());
            lines += &serde_json::to_string(exchange).unwrap();
            lines.push('\n');
        }
        lines
    }
}

fn agent(source: &str) -> &'static str {
    if source == "browser" {
        "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    } else {
        "Go-http-client/1.1"
    }
}

fn own_headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
}

/// `us` microseconds after the recording's beginning.
fn instant(us: u64) -> jiff::Timestamp {
    const BEGINNING_US: i64 = 1_795_323_600_000_000; // 2026-11-22T05:00:00Z
    jiff::Timestamp::from_microsecond(BEGINNING_US + us as i64).unwrap()
}
