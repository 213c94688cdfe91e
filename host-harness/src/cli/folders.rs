//! Folders of the user's: <https://specifications.freedesktop.org/basedir-spec/latest/>
//! `XDG_CACHE_HOME=/x` → `/x/meshspan`; `HOME=/home/a` → `/home/a/.cache/meshspan`

use std::ffi::OsString;
use std::path::PathBuf;

/// This program's, in the folder that the variable `xdg` names, else in `below_home`. Relative paths are passed over,
/// as the specification says.
pub(crate) fn of_user(
    xdg: &str,
    below_home: &str,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg).or_else(|| Some(absolute("HOME")?.join(below_home)))?;
    Some(base.join("meshspan"))
}
