//! A filter as the user gave it: bytes, and the file that they are from.

use std::{
    borrow::Cow,
    fmt::Display,
    path::{Path, PathBuf},
};

use meshspan::filter_wasm;

use super::error::CliError;

/// A filter's bytes.
pub(crate) struct Wasm {
    bytes: Cow<'static, [u8]>,
    file: Option<PathBuf>,
}

impl Wasm {
    /// The filter that this program carries.
    pub(crate) fn own() -> Self {
        Self { bytes: Cow::Borrowed(filter_wasm()), file: None }
    }

    /// What is in the file, or the program's own filter where none is named.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, CliError> {
        let Some(file) = file else { return Ok(Self::own()) };
        let bytes = std::fs::read(file).map_err(|error| CliError::read(file, &error))?;
        Ok(Self::of(file, bytes))
    }

    /// These bytes, which are from the file.
    pub(crate) fn of(file: &Path, bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), file: Some(file.to_owned()) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Why it cannot be used, behind its file's name.
    pub(crate) fn unfit(&self, error: impl Display) -> CliError {
        let place = self.file.iter().map(|file| format!("{}: ", file.display())).collect::<String>();
        CliError::bad_configuration(format!("{place}the filter cannot be loaded: {error}"))
    }
}
