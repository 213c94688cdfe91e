//! Which trace headers requests carry, by name, and who reads them.
//! Whether a header's value is valid is the filter's affair.

use std::collections::BTreeMap;

use crate::traffic::Exchange;

/// A way to write a trace context into headers.
struct Format {
    /// The header that it cannot do without, in lower case.
    header: &'static str,
    name: &'static str,
    /// Whether this filter reads it.
    is_read: bool,
    /// Whether Linkerd's proxy reads it.
    is_read_by_linkerd: bool,
}

const fn format(header: &'static str, name: &'static str, is_read: bool, is_read_by_linkerd: bool) -> Format {
    Format { header, name, is_read, is_read_by_linkerd }
}

const FORMATS: [Format; 9] = [
    format("traceparent", "W3C Trace Context", true, true),
    format("grpc-trace-bin", "gRPC's binary format", true, true),
    format("x-b3-traceid", "B3 in several headers", true, true),
    format("b3", "B3 in one header", true, false),
    format("uber-trace-id", "Jaeger's own format", false, false),
    format("x-datadog-trace-id", "Datadog's own format", false, false),
    format("x-amzn-trace-id", "AWS X-Ray's own format", false, false),
    format("x-cloud-trace-context", "Google Cloud's old format", false, false),
    format("sw8", "SkyWalking's own format", false, false),
];

/// How many requests carry which trace headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    /// All requests.
    pub requests: u64,
    /// Those with a header of a format that the filter reads.
    pub readable: u64,
    by_header: BTreeMap<&'static str, u64>,
    /// Those that only formats name which Linkerd's proxy does not read.
    unread_by_linkerd: u64,
}

impl Formats {
    /// Counts one request.
    pub fn add(&mut self, exchange: &Exchange) {
        self.requests += 1;
        let has = |format: &&Format| {
            let mut headers = exchange.request.headers.iter();
            headers.any(|(name, _)| name.eq_ignore_ascii_case(format.header))
        };
        let found: Vec<&Format> = FORMATS.iter().filter(has).collect();
        let is_readable = found.iter().any(|format| format.is_read);
        let is_for_linkerd = found.iter().any(|format| format.is_read_by_linkerd);
        self.readable += u64::from(is_readable);
        self.unread_by_linkerd += u64::from(is_readable && !is_for_linkerd);
        for format in found {
            *self.by_header.entry(format.header).or_default() += 1;
        }
    }

    /// Requests by the header that names their trace: `12 traceparent, 3 b3`.
    pub(super) fn by_header(&self) -> String {
        self.list(|_| true)
    }

    /// The formats among them that nobody here reads, with their names; empty if there is none.
    pub(super) fn foreign(&self) -> String {
        self.list(|format| !format.is_read)
    }

    /// Requests whose context the filter reads and Linkerd's proxy would not.
    pub(super) fn unread_by_linkerd(&self) -> u64 {
        self.unread_by_linkerd
    }

    fn list(&self, is_wanted: fn(&Format) -> bool) -> String {
        let counted = FORMATS.iter().filter(|format| is_wanted(format)).filter_map(|format| {
            let count = self.by_header.get(format.header)?;
            Some(format!("{count} {} ({})", format.header, format.name))
        });
        counted.collect::<Vec<_>>().join(", ")
    }
}
