//! The file, checked.

mod configuration;
mod identities;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::{Call, Form, Http, MeshFile, Service};
use crate::proxy::Endpoint;
use crate::tls::{Identity, IdentityError};

pub use identities::{Authority, Trust};

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not JSON, a key missing or unknown, a wrong type.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// A version that this program does not know.
    #[error("version is {0}, expected 1")]
    Version(u32),
    /// A service that the file does not have.
    #[error("{place}: service {name:?} is not in the file, which has {known}; add it under \"services\"")]
    UnknownService {
        /// Where the name stands.
        place: String,
        /// The name.
        name: String,
        /// The names that would do.
        known: String,
    },
    /// A name that no certificate can hold.
    #[error("{place}: {source}")]
    Identity {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// Something else that does not fit.
    #[error("{place} is {found}, expected {expected}")]
    Value {
        /// Where it stands.
        place: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
}

/// A mesh that can be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The workload that requests from outside go to.
    pub entry: String,
    /// All, by name.
    pub workloads: BTreeMap<String, Workload>,
    /// How sidecars know each other; `None`: they speak plain text.
    pub trust: Option<Trust>,
}

/// An application with what its sidecars are to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// What it is.
    pub application: Application,
    /// Which HTTP it speaks.
    pub protocol: Http,
    /// The port of its inbound sidecar, if it must be this one.
    pub port: Option<u16>,
    /// What it calls, by name; each is a workload of the plan.
    pub calls: BTreeMap<String, Outbound>,
    /// The plugin configuration of its sidecars, a JSON object; `export` may be missing.
    pub plugin: serde_json::Map<String, serde_json::Value>,
}

/// What stands behind an inbound sidecar.
#[derive(Clone, Debug, PartialEq)]
pub enum Application {
    /// A process to start.
    Program(Program),
    /// What somebody else started.
    Running(Endpoint),
}

/// A process to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its file, or a name to look for in `PATH`.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// More variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The variable that tells it its port.
    pub port_variable: String,
}

/// A call to another workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// The variable that tells the application the sidecar's address.
    pub variable: Option<String>,
    /// What the variable holds.
    pub form: Form,
    /// The sidecar's port, if it must be this one.
    pub port: Option<u16>,
}

impl Plan {
    /// Parses and checks a file; `directory` is where relative ones begin.
    ///
    /// # Errors
    /// [`FileError`] names the place, what was found and what is allowed.
    pub fn from_json(json: &[u8], directory: &Path) -> Result<Self, FileError> {
        let file: MeshFile = serde_json::from_slice(json)?;
        if file.version != 1 {
            return Err(FileError::Version(file.version));
        }
        let known = |name: &str, place: String| match file.services.contains_key(name) {
            true => Ok(()),
            false => {
                let known = file.services.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(FileError::UnknownService { place, name: name.to_owned(), known })
            }
        };
        known(&file.entry, "entry".to_owned())?;
        let mut workloads = BTreeMap::new();
        for (name, service) in &file.services {
            for callee in service.calls.keys() {
                known(callee, format!("services.{name}.calls"))?;
            }
            variables::check(name, service)?;
            let workload = Workload {
                application: application(name, service, directory)?,
                protocol: service.protocol,
                port: service.port,
                calls: service.calls.iter().map(|(callee, call)| (callee.clone(), outbound(call))).collect(),
                plugin: configuration::of(name, &file.plugin, &service.plugin)?,
            };
            workloads.insert(name.clone(), workload);
        }
        let trust = identities::of(&file, directory)?;
        Ok(Self { entry: file.entry, workloads, trust })
    }

    /// Who may call a workload, where sidecars know each other.
    pub fn callers(&self, callee: &str) -> Vec<Identity> {
        let Some(trust) = &self.trust else { return Vec::new() };
        let calling = self.workloads.iter().filter(|(_, workload)| workload.calls.contains_key(callee));
        calling.filter_map(|(name, _)| trust.identities.get(name).cloned()).collect()
    }
}

fn value(place: String, found: impl Into<String>, expected: &'static str) -> FileError {
    FileError::Value { place, found: found.into(), expected }
}

fn application(name: &str, service: &Service, base: &Path) -> Result<Application, FileError> {
    const ONE: &str = "either a command or an address";
    let place = || format!("services.{name}");
    let command = match (&service.command, &service.address) {
        (Some(command), None) => command,
        (None, Some(address)) => return Ok(Application::Running(address.clone())),
        (Some(_), Some(_)) => return Err(value(place(), "a command and an address", ONE)),
        (None, None) => return Err(value(place(), "neither a command nor an address", ONE)),
    };
    let [program, arguments @ ..] = command.as_slice() else {
        return Err(value(format!("services.{name}.command"), "empty", "a program and its arguments"));
    };
    let directory = service.directory.as_ref().map_or_else(|| base.to_owned(), |below| base.join(below));
    Ok(Application::Program(Program {
        path: if program.contains('/') { directory.join(program) } else { program.into() },
        arguments: arguments.to_vec(),
        directory,
        environment: service.environment.clone().unwrap_or_default(),
        port_variable: variables::of_port(service).to_owned(),
    }))
}

fn outbound(call: &Call) -> Outbound {
    Outbound { variable: call.variable.clone(), form: call.form, port: call.port }
}

#[cfg(test)]
mod tests;
