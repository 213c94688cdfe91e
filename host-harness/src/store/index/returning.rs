//! Traces that come again after they left the indexer's memory: read together, so that a request that several of
//! them have spans in is read once.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rusqlite::{Connection, OptionalExtension};

use super::super::names::Names;
use super::super::{int, unsigned, wire};
use super::rest::Rest;
use super::traces::{Trace, each_span};

/// Those that one request brings back.
#[derive(Default)]
pub(super) struct Returning {
    traces: HashMap<[u8; 16], Trace>,
    /// Which of them have spans in a request that is to be read.
    places: BTreeMap<u64, Vec<[u8; 16]>>,
}

impl Returning {
    pub(super) fn has(&self, id: &[u8; 16]) -> bool {
        self.traces.contains_key(id)
    }

    /// Adds a trace that is in the file, with its row and its first request.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
        id: [u8; 16],
        (row, first): (i64, u64),
    ) -> rusqlite::Result<()> {
        let mut trace = Trace { row, first, has_returned: true, ..Trace::default() };
        let rest = connection.query_row("SELECT last, state FROM rests WHERE trace = ?1", [row], |row| {
            Ok((row.get(0).map(unsigned)?, row.get::<_, Vec<u8>>(1)?))
        });
        if let Some((last, state)) = rest.optional()?
            && let Ok(rest) = Rest::decode(state.as_slice())
        {
            trace.last = last;
            rest.wake(&mut trace);
        }
        let mut select = connection.prepare("SELECT batch FROM places WHERE trace = ?1 AND batch > ?2")?;
        let mut rows = select.query([row, int(trace.last)])?;
        while let Some(row) = rows.next()? {
            self.places.entry(row.get(0).map(unsigned)?).or_default().push(id);
        }
        self.traces.insert(id, trace);
        Ok(())
    }

    /// All of them, as the file has them.
    pub(super) fn read(
        mut self,
        connection: &Connection,
        names: &mut Names,
    ) -> rusqlite::Result<HashMap<[u8; 16], Trace>> {
        let mut select = connection.prepare("SELECT request FROM batches WHERE seq = ?1")?;
        for (seq, ids) in &self.places {
            let wanted = |id: &[u8]| ids.iter().any(|own| own == id);
            let request = select.query_row([int(*seq)], |row| {
                Ok(wire::only(row.get_ref(0)?.as_blob().unwrap_or_default(), &wanted))
            });
            let Some(request) = request.optional()? else { continue };
            let Ok(request) = ExportTraceServiceRequest::decode(request.as_slice()) else { continue };
            each_span(&request, &mut |found| {
                if let Some(trace) = self.traces.get_mut(&found.trace_id) {
                    trace.add(connection, names, *seq, &found)?;
                }
                Ok(())
            })?;
        }
        // The file tells of these.
        self.traces.values_mut().for_each(|trace| trace.places.clear());
        Ok(self.traces)
    }
}
