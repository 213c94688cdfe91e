//! Traces that come again after they left memory.

use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

use super::super::super::file::File;
use super::*;

/// A request with a span of each of ten traces.
fn request(span: u8) -> ExportTraceServiceRequest {
    let span = |trace: u8| Span {
        trace_id: vec![trace; 16],
        span_id: vec![span; 8],
        name: format!("operation {}", span % 3),
        start_time_unix_nano: 1_000 * u64::from(span),
        end_time_unix_nano: 2_000 * u64::from(span),
        ..Span::default()
    };
    let scope = ScopeSpans { spans: (1..=10).map(span).collect(), ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

/// A trace's id, start, duration, spans, operations, summary and filter.
type Row = (Vec<u8>, i64, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>);

struct Indexed {
    connection: Connection,
    names: Names,
    traces: Traces,
}

impl Indexed {
    fn new(file: &File, max_weight: usize) -> Self {
        let connection = file.connect_to_write(1 << 20).unwrap();
        let (names, traces) = (Names::new(&connection).unwrap(), Traces::new(&connection).unwrap());
        Self { connection, names, traces: Traces { max_weight, ..traces } }
    }

    fn add(&mut self, seq: u64, request: &ExportTraceServiceRequest) {
        let row = params![int(seq), request.encode_to_vec()];
        self.connection.execute("INSERT INTO batches VALUES (?1, 0, 10, ?2)", row).unwrap();
        self.traces.add(&self.connection, &mut self.names, seq, request).unwrap();
        self.names.write(&self.connection).unwrap();
        self.traces.write(&self.connection).unwrap();
    }

    /// What searches see of the traces.
    fn rows(&self) -> Vec<Row> {
        let sql = "SELECT id, start, duration, spans, operations, summary, filter
                   FROM traces JOIN filters ON trace = row ORDER BY id";
        let mut select = self.connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| {
            let number = |column| row.get::<_, i64>(column);
            let bytes = |column| row.get::<_, Vec<u8>>(column);
            Ok((bytes(0)?, number(1)?, number(2)?, number(3)?, bytes(4)?, bytes(5)?, bytes(6)?))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }
}

#[test]
fn what_comes_again_is_as_if_it_had_stayed() {
    let (short, long) = (File::in_memory().unwrap(), File::in_memory().unwrap());
    // Everything leaves at once, or nothing does.
    let (mut forgetful, mut mindful) = (Indexed::new(&short, 1), Indexed::new(&long, MAX_WEIGHT));
    for (seq, span) in (1..).zip([1, 2, 3, 3, 4, 2, 5]) {
        for indexed in [&mut forgetful, &mut mindful] {
            indexed.add(seq, &request(span));
        }
        assert_eq!(forgetful.rows(), mindful.rows(), "request {seq}");
        assert!(forgetful.traces.by_id.is_empty() && mindful.traces.by_id.len() == 10);
    }
    assert_eq!(forgetful.rows()[0].3, 5, "each span once");
}

#[test]
fn what_comes_again_often_is_not_read_from_its_requests_each_time() {
    let file = File::in_memory().unwrap();
    let mut indexed = Indexed::new(&file, 1);
    (1..=3).for_each(|seq| indexed.add(seq, &request(u8::try_from(seq).unwrap())));
    // Whoever needed these could not go on.
    indexed.connection.execute("UPDATE batches SET request = x'ff'", []).unwrap();
    (4..=9).for_each(|seq| indexed.add(seq, &request(u8::try_from(seq).unwrap())));
    assert!(indexed.rows().iter().all(|row| row.3 == 9), "{:?}", indexed.rows());
}
