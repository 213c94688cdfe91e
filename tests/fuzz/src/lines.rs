//! Header lists as corpora have them: one `name: value` a line, in Latin-1 so that any byte can stand there.

use meshspan_filter::headers::{Headers, encode};
use meshspan_filter::propagation::Injector;

/// Names that mean something to the filter.
pub const TRACE_HEADERS: [&str; 9] = [
    "traceparent",
    "tracestate",
    "grpc-trace-bin",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
];

/// An owned header list, in order, duplicates kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderList {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The same as the ABI has it.
    map: Vec<u8>,
}

impl HeaderList {
    /// A list of these pairs.
    pub fn new(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let map = encode(&pairs);
        Self { pairs, map }
    }

    /// Reads lines; what has no colon is a name alone.
    pub fn parse(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let pair = |line: &[u8]| match line.windows(2).position(|two| two == b": ") {
            Some(at) => (line[..at].to_vec(), line[at + 2..].to_vec()),
            None => (line.to_vec(), Vec::new()),
        };
        Self::new(lines.map(pair).collect())
    }

    /// Appends a pair.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.pairs.push((name.to_vec(), value.to_vec()));
        self.map = encode(&self.pairs);
    }

    /// The pairs.
    pub fn into_pairs(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.pairs
    }

    /// As the filter reads it.
    pub fn headers(&self) -> Headers<'_> {
        Headers::decode(&self.map)
    }

    /// All but the headers of trace context.
    pub fn foreign(&self) -> Vec<&(Vec<u8>, Vec<u8>)> {
        self.pairs.iter().filter(|(name, _)| !is_trace_header(name)).collect()
    }
}

/// Whether `name`, in any case, is a header of trace context.
pub fn is_trace_header(name: &[u8]) -> bool {
    TRACE_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

impl Injector for HeaderList {
    fn set(&mut self, name: &str, value: &[u8], is_repeated: bool) {
        assert_eq!(is_repeated, self.headers().all(name).count() > 1, "{name}");
        self.remove(name);
        self.pairs.push((name.as_bytes().to_vec(), value.to_vec()));
        self.map = encode(&self.pairs);
    }

    fn remove(&mut self, name: &str) {
        self.pairs.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_bytes()));
        self.map = encode(&self.pairs);
    }
}
