//! The filter's pure modules, called as its plugin calls them, with all that a proxy says at hand.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use meshspan::host::{HeaderMap, encode_pairs};
use meshspan_filter::batch::BatchQueue;
use meshspan_filter::config::{Config, Direction};
use meshspan_filter::headers::Headers;
use meshspan_filter::ids::IdGenerator;
use meshspan_filter::otlp::{RequestEncoder, encode_span};
use meshspan_filter::propagation::Injector;
use meshspan_filter::sampler::Surroundings;
use meshspan_filter::time::Timestamp;
use meshspan_filter::tracer::{Fate, StreamEnd, Tracer};

use crate::heads::{request_head, traceparent};
use crate::rounds::Request;
use crate::traced::{ADDRESS, DURATION, PROTOCOL, TICK};

/// A tracer and its queue.
pub(crate) struct Native {
    tracer: Tracer,
    ids: IdGenerator,
    queue: BatchQueue,
    encoder: RequestEncoder,
    /// The request's head as a host gives it.
    request: Vec<u8>,
    onward: HeaderMap,
    now: Timestamp,
    requests: u32,
}

impl Native {
    /// One whose requests have a context with these flags, or none.
    pub(crate) fn start(flags: Option<&str>) -> Self {
        let (config, _) = Config::parse(b"{}", &[]).unwrap();
        let mut onward = request_head();
        flags.iter().for_each(|flags| onward.add("traceparent", traceparent(flags)));
        let mut request = Vec::new();
        encode_pairs(&onward, &mut request);
        Self {
            tracer: Tracer::new(&config),
            ids: IdGenerator::from_seed([7; 32]),
            queue: BatchQueue::new(config.export.limits()),
            encoder: RequestEncoder::new(&config.resource),
            request,
            onward,
            now: Timestamp::from_unix_nanos(1_700_000_000_000_000_000),
            requests: 0,
        }
    }

    fn request(&mut self) {
        let headers = Headers::decode(black_box(&self.request));
        let proxy = Proxy(self.now);
        let mut onward = Onward(self.onward.clone());
        let start = self.tracer.start(&headers, &proxy, &mut self.ids, &mut onward);
        black_box(onward.0);
        self.requests += 1;
        let begun = self.now;
        self.now = self.now.plus(DURATION);
        if let Some(mut pass) = start.pass {
            pass.record_response(Some(b"200"), None, None);
            let end = StreamEnd {
                now: self.now,
                direction: Some(Direction::Inbound),
                request_time: Some(begun),
                source_address: Some(ADDRESS.as_bytes()),
                protocol: Some(PROTOCOL.as_bytes()),
                ..StreamEnd::default()
            };
            assert_eq!(pass.fate(&end), Fate::Sampled);
            for span in pass.end(&end).spans() {
                assert!(self.queue.push(end.now, |out| encode_span(&span, out)));
            }
        }
        if self.requests.is_multiple_of(TICK) {
            self.export();
        }
    }

    fn export(&mut self) {
        self.now = self.now.plus(Duration::from_secs(1));
        while let Some(batch) = self.queue.take_due(self.now) {
            black_box(self.encoder.encode(&batch.spans));
        }
    }

    pub(crate) fn into_requests(mut self) -> Request {
        Box::new(move || self.request())
    }
}

/// What a proxy knows as a request arrives.
struct Proxy(Timestamp);

impl Surroundings for Proxy {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Inbound)
    }

    fn is_whole(&self) -> bool {
        true
    }
}

/// The head that goes onward.
struct Onward(HeaderMap);

impl Injector for Onward {
    fn set(&mut self, name: &str, value: &[u8], _is_repeated: bool) {
        self.0.replace(name, value);
    }

    fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }
}
