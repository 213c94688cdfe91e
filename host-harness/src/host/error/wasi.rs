//! Why a WASI function gives an error number. `abi` says which one.

/// One rule of this host's WASI, which is that of proxy-wasm-cpp-host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WasiError {
    /// A file descriptor that is none of an output.
    #[error("file {0} is not open; 1, standard output, and 2, standard error, are, to be written")]
    BadFile(u32),
    /// A directory that was opened before the start.
    #[error("no directories are open from the start; this is what ends a libc's search for them")]
    NoDirectory,
    /// A file to be opened.
    #[error("there are no files; what a filter needs comes in its configuration or the environment")]
    NoFiles,
    /// A clock that the host has not.
    #[error("there is no clock {0}; 0, real time, and 1, monotonic, are both the host's clock")]
    UnknownClock(u32),
    /// More random bytes than one call gives.
    #[error("{asked} random bytes in one call, at most {most}; call again for more")]
    TooMuchRandom {
        /// How many bytes the guest asks for.
        asked: u32,
        /// How many it may.
        most: u32,
    },
    /// A function that is there only to be imported.
    #[error(
        "this host has no files, sockets and signals: the function is there to be imported, and does nothing"
    )]
    NotOffered,
}
