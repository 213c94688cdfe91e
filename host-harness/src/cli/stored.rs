//! Where spans are stored.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use meshspan::store::{Store, StoreError, StoreOptions};
use meshspan::view::query::parse_age;

use super::error::CliError;

/// The environment's variable with the place.
const STORE: &str = "MESHSPAN_STORE";

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StorePlace {
    /// The store is FILE [default: MESHSPAN_STORE, else XDG_DATA_HOME/meshspan/spans.db, else
    /// HOME/.local/share/meshspan/spans.db]
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Which store, and how much it keeps.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    place: StorePlace,
    /// Keep spans in memory only: they go with the process
    #[arg(long, conflicts_with = "store")]
    in_memory: bool,
    /// The most that the store takes; beyond it, the oldest spans go
    #[arg(long, value_name = "BYTES", default_value_t = StoreOptions::default().max_bytes)]
    max_bytes: u64,
    /// How long spans are kept, such as 36h or 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = age)]
    max_age: Duration,
}

impl StoreArgs {
    /// Opens it, for these destinations. Without traces, it is in memory unless a file is named.
    pub(crate) fn open(&self, destinations: Vec<String>, keeps_traces: bool) -> Result<Store, CliError> {
        let (max_bytes, max_age) = (self.max_bytes, self.max_age);
        let options = StoreOptions { max_bytes, max_age, destinations, keeps_traces };
        let Some(path) = self.file(keeps_traces)? else {
            return Store::in_memory(options).map_err(|error| refused(&error));
        };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| CliError::write(directory, &error))?;
        }
        Store::open(&path, options).map_err(|error| refused(&error))
    }

    /// Where spans are kept; `None` is in memory, as without traces unless a file is named.
    pub(crate) fn file(&self, keeps_traces: bool) -> Result<Option<PathBuf>, CliError> {
        let in_memory = self.in_memory || (!keeps_traces && self.place.store.is_none());
        if in_memory { Ok(None) } else { self.place.path().map(Some) }
    }
}

impl StorePlace {
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
            .help("name a file, --store FILE, or keep spans in memory, --in-memory")
        })
    }

    /// Relative paths in XDG's variables are passed over, as its specification says.
    fn place(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let named = || variable(STORE).filter(|path| !path.is_empty()).map(PathBuf::from);
        let of_user = || {
            let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
            Some(base.join("meshspan/spans.db"))
        };
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

/// Not without a unit: a number alone would be milliseconds.
fn age(text: &str) -> Result<Duration, String> {
    let age = parse_age(text).filter(|_| text.ends_with(char::is_alphabetic));
    age.ok_or_else(|| "expected a length of time such as 7d, 36h or 90s".to_owned())
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
    fn an_age_is_read_or_refused() {
        assert_eq!(age("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(age("36h"), Ok(Duration::from_hours(36)));
        assert_eq!(age("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "d", "soon", "-1d", "7"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
