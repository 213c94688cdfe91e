//! The pure modules natively: their coverage guides the fuzzer where the wasm's cannot be seen.

use std::cell::RefCell;

use meshspan_filter::config::Config;
use meshspan_filter::headers::Headers;
use meshspan_filter::ids::IdGenerator;
use meshspan_filter::time::Timestamp;
use meshspan_filter::tracer::{StreamEnd, Tracer};
use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use prost::Message;

use super::lines::HeaderList;

/// One request through a tracer of `config`: every span can be read and is valid.
pub fn pass(config: &Config, headers: &Headers<'_>, response: &Headers<'_>) {
    let tracer = Tracer::new(config);
    let mut ids = IdGenerator::from_seed([3; 32]);
    let mut out = HeaderList(headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
    let foreign = out.clone();
    let start = tracer.start(headers, Timestamp::from_unix_nanos(1_000_000), &mut ids, &mut out);
    assert_eq!(out.foreign(), foreign.foreign(), "nothing foreign is touched");
    let Some(mut pass) = start.pass else { return };
    pass.record_response(response);
    pass.record_trailers(response);
    for encoded in pass.end(&StreamEnd { now: Timestamp::from_unix_nanos(2_000_000), ..StreamEnd::default() })
    {
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
