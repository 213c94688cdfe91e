//! The pure modules natively: their coverage guides the fuzzer where the wasm's cannot be seen.

use std::borrow::Cow;
use std::cell::RefCell;

use meshspan_filter::config::{Config, Direction};
use meshspan_filter::headers::Headers;
use meshspan_filter::ids::IdGenerator;
use meshspan_filter::otlp;
use meshspan_filter::sampler::Surroundings;
use meshspan_filter::time::Timestamp;
use meshspan_filter::tracer::{StreamEnd, Tracer};
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message;

use super::lines::HeaderList;

/// A proxy that says all that it can.
struct Proxy;

impl Surroundings for Proxy {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_nanos(1_000_000)
    }

    fn route(&self) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(b"route"))
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Inbound)
    }

    fn is_whole(&self) -> bool {
        true
    }
}

/// One request through a tracer of `config`: every span can be read and is valid.
pub fn pass(config: &Config, headers: &Headers<'_>, response: &Headers<'_>) {
    let mut tracer = Tracer::new(config);
    let mut ids = IdGenerator::from_seed([3; 32]);
    let mut out =
        HeaderList::new(headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
    let foreign = out.clone();
    let start = tracer.start(headers, &Proxy, &mut ids, &mut out);
    assert_eq!(out.foreign(), foreign.foreign(), "nothing foreign is touched");
    let Some(mut pass) = start.pass else { return };
    let status = response.first("grpc-status");
    pass.record_response(response.first(":status"), status, Some(Timestamp::from_unix_nanos(1_500_000)));
    pass.record_response_headers(response);
    pass.record_properties(|_| Some(b"http://u:p@web/a?sig=1"));
    pass.record_trailers(status);
    let end = StreamEnd { now: Timestamp::from_unix_nanos(2_000_000), ..StreamEnd::default() };
    for span in pass.end(&end).spans() {
        let mut encoded = Vec::new();
        otlp::encode_span(&span, &mut encoded);
        let scope = ScopeSpans::decode(encoded.as_slice()).expect("protobuf");
        for span in scope.spans {
            assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "rule 46");
            let mut keys: Vec<_> = span.attributes.iter().map(|attribute| &attribute.key).collect();
            keys.sort_unstable();
            assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "rule 46: {keys:?}");
        }
    }
}

/// The same with an ingress's configuration.
pub fn ingress(headers: &Headers<'_>, response: &Headers<'_>) {
    thread_local! {
        static CONFIG: RefCell<Option<Config>> = const { RefCell::new(None) };
    }
    CONFIG.with_borrow_mut(|config| {
        let config = config.get_or_insert_with(|| {
            Config::parse(br#"{"start_traces": true, "spans": {"path_templates": ["/a/{b}"]}}"#, &[])
                .expect("valid")
                .0
        });
        pass(config, headers, response);
    });
}
