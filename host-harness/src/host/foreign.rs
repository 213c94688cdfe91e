//! Foreign functions: what an embedder registers, and Envoy's.
//!
//! | name | here |
//! |---|---|
//! | `compress`, `uncompress` | zlib, as in Envoy |
//! | `clear_route_cache` | success: there are no routes to choose anew |
//! | `set_envoy_filter_state` | kept as the stream's property `filter_state.PATH` |
//! | `declare_property` | a property that may be set once, if it is declared read-only |
//! | `verify_signature`, `sign` | RSA, ECDSA with P-256 or P-384; SHA-256, -384, -512 (RSA). Envoy's others are answered as it answers a hash function that it has not, or a signature that is wrong |
//! | `expr_create`, `expr_evaluate`, `expr_delete` | CEL, by the crate `cel`, over the stream's properties; macros do not nest |
//!
//! A function that is registered counts for more than Envoy's of the same name.
//! Source: Envoy's `source/extensions/common/wasm/foreign.cc`

mod expressions;
mod signatures;
mod state;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::HostError;

pub(super) use expressions::Expressions;
pub use expressions::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_NODES, MAX_EXPRESSION_WORK, MAX_EXPRESSIONS};
pub use state::MAX_DECLARED;

/// Most bytes that `uncompress` gives.
pub const MAX_UNCOMPRESSED_BYTES: usize = 16 * 1024 * 1024;

/// Why a foreign function failed; the guest gets the status, the log the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Status 1.
    #[error("{0}")]
    NotFound(String),
    /// Status 2.
    #[error("{0}")]
    BadArgument(String),
    /// Status 3.
    #[error("{0}")]
    Serialization(String),
    /// Status 10.
    #[error("{0}")]
    Internal(String),
}

type Function = dyn Fn(&[u8]) -> Result<Vec<u8>, ForeignError> + Send + Sync;

/// Functions by the names that guests call them by. Clones share the functions.
#[derive(Clone, Default)]
pub struct ForeignFunctions(BTreeMap<String, Arc<Function>>);

impl std::fmt::Debug for ForeignFunctions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl ForeignFunctions {
    /// Adds a function: from the arguments' bytes to the result's. It runs while the guest waits, on the
    /// guest's thread, and its time does not count towards the guest's deadline.
    pub fn register(
        &mut self,
        name: impl Into<String>,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, ForeignError> + Send + Sync + 'static,
    ) {
        self.0.insert(name.into(), Arc::new(function));
    }

    /// Runs a function; `None` if it has to do with the VM's state, or there is none.
    fn call(&self, name: &str, arguments: &[u8]) -> Option<Result<Vec<u8>, ForeignError>> {
        match (self.0.get(name), name) {
            (Some(function), _) => Some(function(arguments)),
            (None, "compress") => Some(compress(arguments)),
            (None, "uncompress") => Some(uncompress(arguments)),
            (None, "verify_signature") => Some(signatures::verify(arguments)),
            (None, "sign") => Some(signatures::sign(arguments)),
            (None, "clear_route_cache") => Some(Ok(Vec::new())),
            _ => None,
        }
    }

    fn unknown(name: &str) -> HostError {
        HostError::UnknownFunction(name.chars().take(256).collect())
    }
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>, ForeignError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .map_err(|error| ForeignError::Serialization(format!("compress: {error}")))
}

fn uncompress(bytes: &[u8]) -> Result<Vec<u8>, ForeignError> {
    let mut out = Vec::new();
    let bound = u64::try_from(MAX_UNCOMPRESSED_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(bytes)
        .take(bound)
        .read_to_end(&mut out)
        .map_err(|error| ForeignError::Serialization(format!("uncompress: {error}")))?;
    if out.len() > MAX_UNCOMPRESSED_BYTES {
        let why = format!("uncompress: more than {MAX_UNCOMPRESSED_BYTES} bytes come out");
        return Err(ForeignError::Serialization(why));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_out_again_and_a_bomb_does_not() {
        let functions = ForeignFunctions::default();
        let packed = functions.call("compress", &[7; 1000]).unwrap().unwrap();
        assert!(packed.len() < 100 && packed.starts_with(&[0x78]), "zlib");
        assert_eq!(functions.call("uncompress", &packed).unwrap(), Ok(vec![7; 1000]));
        let bomb = compress(&vec![0; MAX_UNCOMPRESSED_BYTES + 1]).unwrap();
        for bad in [&b"no zlib"[..], &packed[..packed.len() - 5], &bomb] {
            assert!(matches!(uncompress(bad), Err(ForeignError::Serialization(_))));
        }
    }

    #[test]
    fn what_is_registered_counts_for_more_than_envoys() {
        let mut functions = ForeignFunctions::default();
        functions.register("compress", |arguments| Ok(arguments.iter().rev().copied().collect()));
        assert_eq!(functions.call("compress", b"abc").unwrap(), Ok(b"cba".to_vec()));
        assert!(functions.call("nothing", b"").is_none());
        assert_eq!(format!("{functions:?}"), r#"{"compress"}"#);
    }
}
