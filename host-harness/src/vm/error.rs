//! What can go wrong with a guest. Each costs that guest's VM, never the process.

use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

use super::Limits;
use crate::abi::{MAX_TABLE_ELEMENTS, Refused};
use crate::host::{LogLine, RootId, StreamId};

/// Why a filter cannot be used, or a VM cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The bytes are no module, or one that cannot be compiled.
    #[error("the filter is not a valid WebAssembly module: {0}")]
    NotWasm(String),
    /// The engine or its ticker could not be made.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),
    /// An import that the host does not have.
    #[error(
        "the filter imports {module}.{name}, which this host does not offer; it offers env.proxy_* of the ABI whose marker the filter exports and the WASI functions beside it"
    )]
    UnknownImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// An import of another type than the host's, or of something that is no function.
    #[error("the filter cannot be linked: {0}")]
    Link(String),
    /// No marker of an ABI that this host speaks.
    #[error(
        "the filter exports {found}, expected proxy_abi_version_0_2_1, proxy_abi_version_0_2_0 or proxy_abi_version_0_1_0"
    )]
    AbiVersion {
        /// The markers that there are, or that there is none.
        found: String,
    },
    /// An export that every guest needs.
    #[error("the filter does not export its {0}")]
    MissingExport(&'static str),
    /// An export of another type than the ABI's.
    #[error("the filter's export {name} has the wrong type: {found}")]
    ExportType {
        /// The export's name.
        name: &'static str,
        /// What was found against what the ABI says.
        found: String,
    },
    /// The guest trapped: it panicked, divided by zero, read outside its memory…
    #[error("the filter trapped in {call}: {cause}")]
    Trap {
        /// The export that the host had called.
        call: &'static str,
        /// The trap, and the innermost functions if they have names.
        cause: String,
        /// What was logged, if it cannot be had from the VM because the trap ended its start.
        logs: Vec<LogLine>,
    },
    /// The guest ran for longer than it may.
    #[error("the filter ran for more than {limit:?} in {call}")]
    Deadline {
        /// The export that the host had called.
        call: &'static str,
        /// The deadline of one call.
        limit: Duration,
    },
    /// The guest failed because it got no more memory.
    #[error("the filter failed in {call} because it wanted more than {limit} bytes of memory")]
    MemoryLimit {
        /// The export that the host had called.
        call: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The guest failed because its tables got no more elements.
    #[error("the filter failed in {call} because it wanted more than {limit} table elements")]
    TableLimit {
        /// The export that the host had called.
        call: &'static str,
        /// The limit of all its tables together.
        limit: usize,
    },
    /// `proxy_on_vm_start` returned false.
    #[error("the filter refused to start{}", said(logs))]
    StartRejected {
        /// What was logged so far.
        logs: Vec<LogLine>,
    },
    /// `proxy_on_configure` returned false.
    #[error("the filter rejected its configuration{}", said(logs))]
    ConfigurationRejected {
        /// What was logged so far.
        logs: Vec<LogLine>,
    },
    /// The VM failed before; a new one must be started.
    #[error("the filter's VM failed before and must be started anew")]
    Poisoned,
    /// A VM that was started without instruments cannot be made to fail.
    #[error("the filter's VM has no instruments: start it with PluginOptions::instrumented")]
    NotInstrumented,
    /// The stream was closed or belongs to another VM.
    #[error("stream {0:?} is not open in this VM")]
    UnknownStream(StreamId),
    /// The plugin has ended or belongs to another VM.
    #[error("plugin {0:?} is not in this VM, or has ended")]
    UnknownRoot(RootId),
    /// The guest holds back more of a body than the host keeps.
    #[error("the filter holds back a body of more than {0} bytes")]
    BodyLimit(usize),
}

impl VmError {
    pub(super) fn limit(call: &'static str, refused: Refused, limits: &Limits) -> Self {
        match refused {
            Refused::Memory => Self::MemoryLimit { call, limit: limits.memory_bytes },
            Refused::Table => Self::TableLimit { call, limit: MAX_TABLE_ELEMENTS },
        }
    }
}

/// What the bytes are instead of a module, if that can be told, else what the compiler says.
pub(super) fn not_wasm(bytes: &[u8], error: &wasmtime::Error) -> VmError {
    VmError::NotWasm(match bytes {
        [] => "it is empty".to_owned(),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => {
            "it is a component, expected a core module: build for wasm32-wasip1 and leave out the step that makes a \
             component"
                .to_owned()
        }
        [0x1f, 0x8b, ..] => "it is compressed by gzip: unpack it first".to_owned(),
        [b'(', ..] => "it is WebAssembly text: convert it by wat2wasm first".to_owned(),
        [0x7f, b'E', b'L', b'F', ..] => {
            "it is a program or library for this machine (ELF): build for wasm32-wasip1".to_owned()
        }
        [0, b'a', b's', b'm', ..] => format!("{error:#}"),
        _ => {
            let begin = bytes.get(..8).unwrap_or(bytes).escape_ascii();
            format!("it begins with \"{begin}\", and a module with \"\\0asm\"")
        }
    })
}

/// The last lines of a log, for a message.
fn said(logs: &[LogLine]) -> String {
    let lines = logs.iter().rev().take(3).rev();
    lines.map(|line| format!("; {}: {}", line.level, line.message)).collect()
}

/// How functions of Rust's libraries begin, through which each panic comes to its trap.
const RUNTIME: [&str; 8] = ["std::", "<std::", "core::", "<core::", "alloc::", "<alloc::", "__rust", "abort"];
/// The most functions that a message names.
const MOST_FRAMES: usize = 5;

/// The trap, and the names of the innermost functions, as their source has them; those through which a panic
/// goes only if there are no others.
pub(super) fn describe(error: &wasmtime::Error) -> String {
    let cause = error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), Trap::to_string);
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    let names = frames.iter().filter_map(|frame| frame.func_name());
    let (runtime, own): (Vec<String>, Vec<String>) = names
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .partition(|name| RUNTIME.iter().any(|begin| name.starts_with(begin)));
    let mut names = if own.is_empty() { runtime } else { own };
    names.truncate(MOST_FRAMES);
    if names.is_empty() { cause } else { format!("{cause} (in {})", names.join(" < ")) }
}
