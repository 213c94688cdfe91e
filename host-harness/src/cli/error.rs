//! What the user is told when a command cannot do its work.

use std::path::Path;

/// Why the program ends; clap itself ends it with 2 on a usage error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Runtime,
    BadConfiguration,
    ExpectationNotMet,
    CollectorUnreachable,
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Runtime => 1,
            Self::BadConfiguration => 3,
            Self::ExpectationNotMet => 4,
            Self::CollectorUnreachable => 5,
            Self::Interrupted => 130,
        }
    }
}

/// A message, what helps, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CliError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) exit: Exit,
}

impl CliError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, exit }
    }

    pub(crate) fn runtime(message: impl Into<String>) -> Self {
        Self::new(Exit::Runtime, message)
    }

    pub(crate) fn bad_configuration(message: impl Into<String>) -> Self {
        Self::new(Exit::BadConfiguration, message)
    }

    /// The user has ended it.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted; what is shown was done before")
    }

    pub(crate) fn read(path: &Path, error: &std::io::Error) -> Self {
        Self::runtime(format!("cannot read {}: {error}", path.display()))
    }

    pub(crate) fn write(path: &Path, error: &std::io::Error) -> Self {
        Self::runtime(format!("cannot write {}: {error}", path.display()))
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
