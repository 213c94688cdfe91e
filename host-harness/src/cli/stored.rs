//! Where spans are stored.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use meshspan::store::{Store, StoreError, StoreOptions};

use super::error::CliError;
use super::folders::of_user;
use super::values::{age, shown, size};

/// The environment's variable with the place.
const STORE: &str = "MESHSPAN_STORE";

/// What helps where there is no place for a store.
const NAME_A_FILE: &str = "name a file, --store FILE";

/// The least that a store may take.
const LEAST_BYTES: u64 = 1 << 20;

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StorePlace {
    /// The store is FILE [default: MESHSPAN_STORE, else XDG_DATA_HOME/meshspan/spans.db, else
    /// HOME/.local/share/meshspan/spans.db]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// How much a store keeps.
#[derive(Debug, Args)]
pub(crate) struct StoreBounds {
    /// The most that the store takes, such as 500MB; beyond it, the oldest spans go
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = store_size)]
    max_bytes: u64,
    /// How long spans are kept, such as 36h or 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = age)]
    max_age: Duration,
}

/// Which store, if any, and how much it keeps.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    place: StorePlace,
    /// Keep spans in memory only: they go with the process
    #[arg(long, conflicts_with = "store")]
    in_memory: bool,
    #[command(flatten)]
    bounds: StoreBounds,
}

impl StoreBounds {
    /// With these destinations.
    pub(crate) fn options(&self, destinations: Vec<String>, keeps_traces: bool) -> StoreOptions {
        StoreOptions { max_bytes: self.max_bytes, max_age: self.max_age, destinations, keeps_traces }
    }
}

impl StoreArgs {
    /// Opens it, for these destinations. Without traces, it is in memory unless a file is named.
    pub(crate) fn open(&self, destinations: Vec<String>, keeps_traces: bool) -> Result<Store, CliError> {
        let options = self.bounds.options(destinations, keeps_traces);
        match self.file(keeps_traces)? {
            None => Store::in_memory(options).map_err(|error| refused(&error)),
            Some(_) => self.place.open(options).map_err(or_in_memory),
        }
    }

    /// The most that it takes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.bounds.max_bytes
    }

    /// Where spans are kept; `None` is in memory, as without traces unless a file is named.
    pub(crate) fn file(&self, keeps_traces: bool) -> Result<Option<PathBuf>, CliError> {
        let in_memory = self.in_memory || (!keeps_traces && self.place.store.is_none());
        if in_memory { Ok(None) } else { self.place.path().map(Some).map_err(or_in_memory) }
    }
}

/// Who may do without a file is told so.
fn or_in_memory(error: CliError) -> CliError {
    match error.help.as_deref() {
        Some(NAME_A_FILE) => error.help(format!("{NAME_A_FILE}, or keep spans in memory, --in-memory")),
        _ => error,
    }
}

impl StorePlace {
    /// Opens it to keep spans there; makes it, and its folder, if need be.
    pub(crate) fn open(&self, options: StoreOptions) -> Result<Store, CliError> {
        let path = self.path()?;
        if let Some(directory) = path.parent() {
            let made = std::fs::create_dir_all(directory);
            made.map_err(|error| CliError::write(directory, &error).help(NAME_A_FILE))?;
        }
        Store::open(&path, options).map_err(|error| match error {
            StoreError::Open { .. } => refused(&error).help(NAME_A_FILE),
            _ => refused(&error),
        })
    }

    /// Opens it to be asked, also while another process keeps its spans there.
    pub(crate) fn open_to_read(&self) -> Result<Store, CliError> {
        let path = self.path()?;
        if !path.exists() {
            return Err(CliError::runtime(format!("there is no store at {}", path.display()))
                .help("`meshspan collect` and `meshspan import` make one; or name a file with spans"));
        }
        Store::open_to_read(&path).map_err(|error| refused(&error))
    }

    fn path(&self) -> Result<PathBuf, CliError> {
        self.place(|name| std::env::var_os(name)).ok_or_else(|| {
            CliError::bad_configuration(
                "there is no place for the store: neither HOME nor XDG_DATA_HOME is set",
            )
            .help(NAME_A_FILE)
        })
    }

    fn place(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let named = || variable(STORE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let of_user = || Some(of_user("XDG_DATA_HOME", ".local/share", &variable)?.join("spans.db"));
        self.store.clone().or_else(named).or_else(of_user)
    }
}

pub(crate) fn refused(error: &StoreError) -> CliError {
    match error {
        StoreError::Foreign { .. } | StoreError::Newer { .. } => {
            CliError::bad_configuration(error.to_string())
        }
        _ => CliError::runtime(error.to_string()),
    }
}

/// Less than the least would be full of the first spans that come.
fn store_size(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < LEAST_BYTES {
        return Err(format!("expected at least {}", shown(LEAST_BYTES)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_is_named_counts() {
        for (flag, environment, expected, reason) in [
            (Some("a.db"), &[("HOME", "/home/a")][..], Some("a.db"), "as typed"),
            (None, &[("MESHSPAN_STORE", "b.db"), ("HOME", "/home/a")], Some("b.db"), "the variable"),
            (
                None,
                &[("MESHSPAN_STORE", ""), ("XDG_DATA_HOME", "/data"), ("HOME", "/home/a")],
                Some("/data/meshspan/spans.db"),
                "XDG",
            ),
            (
                None,
                &[("XDG_DATA_HOME", "data"), ("HOME", "/home/a")],
                Some("/home/a/.local/share/meshspan/spans.db"),
                "a relative XDG",
            ),
            (None, &[("HOME", "")], None, "no home"),
            (None, &[], None, "nothing"),
        ] {
            let arguments = StorePlace { store: flag.map(PathBuf::from) };
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(arguments.place(variable), expected.map(PathBuf::from), "{reason}");
        }
    }

    #[test]
    fn a_store_has_room_for_some_spans() {
        assert_eq!(store_size("1MiB"), Ok(LEAST_BYTES));
        assert_eq!(store_size("1GiB"), Ok(StoreOptions::default().max_bytes), "the default is the library's");
        for little in ["0", "1", "1023KiB"] {
            assert_eq!(store_size(little), Err("expected at least 1 MiB".to_owned()));
        }
    }
}
