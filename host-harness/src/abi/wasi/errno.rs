//! What a WASI function returns, and which reason gives which number.
//!
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno>

use crate::host::{HostError, WasiError};

/// The error numbers that proxy-wasm-cpp-host gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Errno {
    /// Done.
    Success = 0,
    /// No such file is open.
    BadFile = 8,
    /// A pointer outside the guest's memory.
    Fault = 21,
    /// An argument is not allowed.
    Invalid = 28,
    /// There is no such file.
    NoEntry = 44,
    /// The host does not offer it.
    NoSystemCall = 52,
    /// The host does not offer it with this argument.
    NotSupported = 58,
    /// The plugin is not allowed to.
    NotCapable = 76,
}

impl Errno {
    /// The name of a number, as C has it.
    pub(crate) fn name(number: u32) -> &'static str {
        match number {
            0 => "OK",
            8 => "EBADF",
            21 => "EFAULT",
            28 => "EINVAL",
            44 => "ENOENT",
            52 => "ENOSYS",
            58 => "ENOTSUP",
            76 => "ENOTCAPABLE",
            _ => "no error number",
        }
    }
}

impl From<&HostError> for Errno {
    fn from(error: &HostError) -> Self {
        match error {
            HostError::Wasi(WasiError::BadFile(_) | WasiError::NoDirectory) => Self::BadFile,
            HostError::Wasi(WasiError::TooMuchRandom { .. }) => Self::Invalid,
            HostError::Wasi(WasiError::NoFiles) => Self::NoEntry,
            HostError::Wasi(WasiError::NotOffered) => Self::NoSystemCall,
            HostError::Wasi(WasiError::UnknownClock(_)) => Self::NotSupported,
            HostError::Restricted(_) => Self::NotCapable,
            _ => Self::Fault,
        }
    }
}
