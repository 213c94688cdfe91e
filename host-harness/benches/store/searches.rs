//! Searches as people make them, each many times with other values.

use std::fmt::Write;
use std::time::{Duration, Instant};

use meshspan::store::Store;
use meshspan::time::Timestamp;
use meshspan::view::Query;

use crate::traffic::{ROUTES, SERVICES, TRACES};

/// How often each kind is asked.
const TIMES: u64 = 40;
/// What the 95th of a hundred may take.
const TARGET: Duration = Duration::from_millis(100);

/// A kind of search: its name, and the search with the values of that number.
type Kind = (&'static str, fn(u64) -> Query);

const KINDS: [Kind; 11] = [
    ("the newest", |_| Query::default()),
    ("service", |at| Query { service: service(at), ..Query::default() }),
    ("service and operation", |at| Query {
        service: service(at),
        operation: operation(at),
        ..Query::default()
    }),
    ("no such operation", |at| Query { operation: Some(format!("none-{at}")), ..Query::default() }),
    ("attribute of all traces", |_| with("http.request.method", "GET".to_owned())),
    ("attribute of most traces", |at| with("http.route", format!("/route-{}", at % ROUTES))),
    ("attribute of one trace in ten", |_| with("http.response.status_code", "500".to_owned())),
    ("attribute of one trace", |at| with("enduser.id", format!("user-{}", at * 997 % TRACES))),
    ("no such attribute", |at| with("enduser.id", format!("nobody-{at}"))),
    ("service, attribute, errors", |at| Query {
        service: service(at),
        errors: true,
        ..with("http.response.status_code", "500".to_owned())
    }),
    ("duration, time, errors", |at| Query {
        errors: true,
        min: Some(Duration::from_millis(20 + at)),
        from: Some(Timestamp::from_unix_nanos(1_795_323_600_000_000_000 + at * 1_000_000_000)),
        limit: 100,
        ..Query::default()
    }),
];

fn service(at: u64) -> Option<String> {
    Some(format!("service-{}", at % SERVICES))
}

fn operation(at: u64) -> Option<String> {
    Some(format!("GET /route-{}", at % ROUTES))
}

fn with(key: &str, value: String) -> Query {
    Query { attributes: vec![(key.to_owned(), value)], ..Query::default() }
}

/// Each kind's median and 95th percentile, and that of all.
pub(crate) fn table(store: &Store) -> String {
    let mut text = format!("{:32} {:>10} {:>10} {:>10}\n", "search", "traces", "median", "95 of 100");
    let mut all = Vec::new();
    for (name, query) in KINDS {
        let mut total = 0;
        let mut times: Vec<Duration> = (0..TIMES)
            .map(|at| {
                let query = query(at);
                let start = Instant::now();
                total = store.search(&query).unwrap().total;
                start.elapsed()
            })
            .collect();
        row(&mut text, name, &total.to_string(), &mut times);
        all.extend(times);
    }
    row(&mut text, "all", "", &mut all);
    let verdict = if quantile(&mut all, 95) < TARGET { "met" } else { "missed" };
    writeln!(text, "\ntarget: 95 of 100 searches within {} ms: {verdict}", TARGET.as_millis()).unwrap();
    text
}

fn row(text: &mut String, name: &str, total: &str, times: &mut [Duration]) {
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let (median, high) = (millis(quantile(times, 50)), millis(quantile(times, 95)));
    writeln!(text, "{name:32} {total:>10} {median:>10} {high:>10}").unwrap();
}

fn quantile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}
