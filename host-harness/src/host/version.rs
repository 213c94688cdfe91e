//! The versions of the ABI, and how they differ.
//!
//! | | 0.1.0 | 0.2.0 | 0.2.1 |
//! |---|---|---|---|
//! | `proxy_get_log_level` | no | no | yes |
//! | `proxy_continue_stream`, `proxy_close_stream` | no | yes | yes |
//! | `proxy_continue_request`, `proxy_continue_response`, `proxy_clear_route_cache`, `proxy_get_configuration` | yes | no | no |
//! | a header that is not there | success, and empty | not found | not found |
//! | callbacks of a head | without end of stream | with it | with it |
//!
//! The callbacks' parameters are taken from the guest's own types, whatever its version.
//! Source: <https://github.com/proxy-wasm/spec/blob/main/CHANGELOG.md>, proxy-wasm-cpp-host's `src/wasm.cc`

/// The exports that say which version a guest speaks begin so.
pub(crate) const MARKER: &str = "proxy_abi_version_";

/// A version of the ABI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbiVersion {
    /// 0.1.0
    V0_1_0,
    /// 0.2.0
    V0_2_0,
    /// 0.2.1
    #[default]
    V0_2_1,
}

impl AbiVersion {
    /// The version that an export's name stands for.
    pub fn of_export(name: &str) -> Option<Self> {
        match name.strip_prefix(MARKER)? {
            "0_1_0" => Some(Self::V0_1_0),
            "0_2_0" => Some(Self::V0_2_0),
            "0_2_1" => Some(Self::V0_2_1),
            _ => None,
        }
    }

    /// Whether reading a header that is not there succeeds and gives nothing.
    pub(crate) fn reads_absent_headers(self) -> bool {
        self == Self::V0_1_0
    }

    /// Whether the requests and responses of HTTP have functions of their own instead of streams of any kind.
    pub(crate) fn is_of_http_only(self) -> bool {
        self == Self::V0_1_0
    }

    /// Whether the guest can ask for the log level.
    pub(crate) fn tells_log_level(self) -> bool {
        self == Self::V0_2_1
    }
}
