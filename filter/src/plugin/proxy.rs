//! Which proxy the plugin runs in, where it has to act accordingly. nginx ends the VM, and fails the
//! request, for some calls that it lacks, so that trying them is no way to find out.
//! Source: <https://github.com/Kong/ngx_wasm_module/blob/main/docs/PROXY_WASM.md>

use super::host::{self, Callback};

/// A kind of proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Proxy {
    /// Envoy, or one that is like it.
    #[default]
    Envoy,
    /// nginx with ngx_wasm_module.
    Nginx,
}

impl Proxy {
    /// Asks the host. Only in a stream's callback: elsewhere nginx has no properties, and says so as an error.
    pub(super) fn detect(call: &Callback) -> Self {
        match host::property(call, "ngx\0nginx_version") {
            Some(_) => Self::Nginx,
            None => Self::Envoy,
        }
    }

    /// Whether the host has gRPC calls, `proxy_done`, and gauges that can be incremented.
    pub(super) fn is_whole(self) -> bool {
        self == Self::Envoy
    }

    /// Whether to read this property; nginx logs an error for each read of one that it has not, and
    /// writes times as text with fewer digits than its clock has.
    pub(super) fn has(self, property: &str) -> bool {
        const NGINX: [&str; 4] =
            ["source\0address", "upstream\0address", "request\0protocol", "response\0code"];
        self == Self::Envoy || NGINX.contains(&property)
    }
}
