//! A mesh that is run: local processes, a sidecar in front of each and one for each call between them.
//! What is asked of the user, and where results go, is the command's.
//!
//! | module | what it owns |
//! |---|---|
//! | `file` | the file as written; its schema is `schemas/mesh.schema.json` |
//! | `plan` | the file, checked: workloads with their calls and plugin configurations |
//! | `certificates` | how sidecars know each other, where they speak TLS |
//! | `sidecars` | the proxies, their ports, what applications are told of them |
//! | `process` | the applications, from their start to their end |
//!
//! client ─▶ inbound ─▶ `web` ─▶ outbound ─▶ inbound ─▶ `emoji`: two spans at each of three sidecars

mod certificates;
mod file;
mod plan;
mod process;
mod sidecars;

pub use certificates::CertificateError;
pub use file::{Call, Form, Http, MeshFile, Naming, OwnTls, Service, Tls};
pub use plan::{Application, Authority, FileError, Outbound, Plan, Program, Trust, Workload};
pub use process::{Ended, Processes, Tell};
pub use sidecars::{Drained, Side, Sidecar, SidecarOptions, Sidecars};

/// Why a mesh does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no port for an application.
    #[error("no port for the application of {service}: {source}")]
    Port {
        /// Whose application.
        service: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The run's certificates cannot be had.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A sidecar does not start.
    #[error("the {side} sidecar of {service}: {source}")]
    Sidecar {
        /// Whose sidecar.
        service: String,
        /// Which one.
        side: Side,
        /// Why.
        source: crate::proxy::ProxyError,
    },
    /// A command does not start.
    #[error("{service}: cannot start {program:?} in {directory:?}: {source}")]
    Process {
        /// Whose command.
        service: String,
        /// The program.
        program: std::path::PathBuf,
        /// Where it should run.
        directory: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
