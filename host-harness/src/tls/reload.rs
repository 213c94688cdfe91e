//! A configuration made of files, made anew when they change. Files are looked at whenever the configuration
//! is asked for, which is once a connection.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::TlsError;

/// Size and time of a file, which change with it.
type Stamp = Option<(u64, Option<SystemTime>)>;

/// What was made of some files.
pub(super) struct Reloading<T> {
    paths: Vec<PathBuf>,
    load: Box<dyn Fn() -> Result<T, TlsError> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Arc<T>,
    seen: Vec<Stamp>,
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reloading").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl<T> Reloading<T> {
    /// # Errors
    /// [`TlsError`] if the files cannot be used now.
    pub(super) fn new(
        paths: Vec<PathBuf>,
        load: impl Fn() -> Result<T, TlsError> + Send + Sync + 'static,
    ) -> Result<Self, TlsError> {
        // Looked at first: what changes while it is read is read again.
        let seen = stamps(&paths);
        let current = Arc::new(load()?);
        Ok(Self { paths, load: Box::new(load), state: Mutex::new(State { current, seen }) })
    }

    /// What the files hold now; what they held before, if that cannot be used, with one warning a change.
    pub(super) fn current(&self) -> Arc<T> {
        let seen = stamps(&self.paths);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.seen != seen {
            state.seen = seen;
            match (self.load)() {
                Ok(next) => {
                    state.current = Arc::new(next);
                    tracing::info!("certificates were read again: {}", self.listed());
                }
                Err(error) => tracing::warn!("the certificates from before are kept: {error}"),
            }
        }
        Arc::clone(&state.current)
    }

    fn listed(&self) -> String {
        let paths: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
        paths.join(", ")
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let data = std::fs::metadata(path).ok()?;
        Some((data.len(), data.modified().ok()))
    };
    paths.iter().map(stamp).collect()
}
