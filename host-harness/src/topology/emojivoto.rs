//! emojivoto, Linkerd's demonstration application, with every workload meshed and instrumented:
//! topology and recording, carried in the program. `tests/recordings.rs` generates the recordings.
//! Call graph and headers as in <https://github.com/BuoyantIO/emojivoto> at e490d57.

use super::{Topology, TopologyError};

/// The two variants of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emojivoto {
    /// As its code is: B3 multi over HTTP, unpadded `grpc-trace-bin` over gRPC.
    B3,
    /// As it would be with OpenTelemetry: W3C `traceparent` everywhere.
    W3c,
}

impl Emojivoto {
    /// The mesh.
    ///
    /// # Errors
    /// None: a test parses both files.
    pub fn topology(self) -> Result<Topology, TopologyError> {
        Topology::from_json(match self {
            Self::B3 => include_bytes!("../../recordings/emojivoto-b3.topology.json"),
            Self::W3c => include_bytes!("../../recordings/emojivoto-w3c.topology.json"),
        })
    }

    /// The recording, in JSON Lines for [`crate::traffic::jsonl::JsonLines`].
    pub fn recording(self) -> &'static [u8] {
        match self {
            Self::B3 => include_bytes!("../../recordings/emojivoto-b3.jsonl"),
            Self::W3c => include_bytes!("../../recordings/emojivoto-w3c.jsonl"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::jsonl::JsonLines;

    #[test]
    fn both_variants_parse_and_know_every_service_of_their_recording() {
        for variant in [Emojivoto::B3, Emojivoto::W3c] {
            let topology = variant.topology().unwrap();
            for exchange in JsonLines::new(variant.recording()) {
                let exchange = exchange.unwrap();
                for name in [&exchange.source, &exchange.destination] {
                    topology.service(name, || exchange.id.clone()).unwrap();
                }
            }
        }
    }
}
