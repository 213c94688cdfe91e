//! Where compiled filters are kept between runs.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use meshspan::vm::{Filter, Limits, ModuleCache};

use super::{error::CliError, folders::of_user, wasm::Wasm};

/// What every command takes that runs a filter.
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Keep compiled filters here [default: XDG_CACHE_HOME/meshspan, else HOME/.cache/meshspan]; not used
    /// where others than you can write
    #[arg(long, value_name = "DIRECTORY", env = "MESHSPAN_CACHE_DIR", hide_env_values = true)]
    cache_dir: Option<PathBuf>,
    /// Compile the filter anew, and keep nothing
    #[arg(long)]
    no_cache: bool,
}

impl CacheArgs {
    /// The filter, compiled now or before.
    ///
    /// # Errors
    /// It cannot be used; what is wrong with the cache is no error.
    pub(crate) fn filter(&self, wasm: &Wasm) -> Result<Filter, CliError> {
        let (bytes, limits) = (wasm.bytes(), Limits::default());
        match self.directory(|name| std::env::var_os(name)) {
            Some(directory) => Filter::compile_cached(bytes, limits, &ModuleCache::new(directory)),
            None => Filter::compile(bytes, limits),
        }
        .map_err(|error| wasm.unfit(error))
    }

    /// `None`: nowhere. Relative paths in the environment are passed over, as the XDG specification says.
    fn directory(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        if self.no_cache {
            return None;
        }
        self.cache_dir.clone().or_else(|| of_user("XDG_CACHE_HOME", ".cache", variable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_is_named_counts() {
        type Row = (&'static str, Option<&'static str>, bool, &'static [(&'static str, &'static str)]);
        const HOME: (&str, &str) = ("HOME", "/home/a");
        const XDG: (&str, &str) = ("XDG_CACHE_HOME", "/x");
        const RELATIVE: (&str, &str) = ("XDG_CACHE_HOME", "x");
        let rows: [(Row, Option<&str>); 7] = [
            (("nothing is known", None, false, &[]), None),
            (("home", None, false, &[HOME]), Some("/home/a/.cache/meshspan")),
            (("XDG before home", None, false, &[HOME, XDG]), Some("/x/meshspan")),
            (("a relative XDG", None, false, &[HOME, RELATIVE]), Some("/home/a/.cache/meshspan")),
            (("an empty home", None, false, &[("HOME", "")]), None),
            (("the flag before all", Some("d"), false, &[HOME, XDG]), Some("d")),
            (("none wanted", Some("d"), true, &[HOME]), None),
        ];
        for ((reason, flag, no_cache, environment), expected) in rows {
            let arguments = CacheArgs { cache_dir: flag.map(PathBuf::from), no_cache };
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(arguments.directory(variable), expected.map(PathBuf::from), "{reason}");
        }
    }
}
