//! Compiled modules on disk, so that a filter is compiled once and not at every start.
//!
//! A file's name is the SHA-256 of the engine's version and settings and of the module; in it stand the SHA-256
//! of the rest, and the rest, wasmtime's own serialization. What is damaged, cannot be read or cannot be written
//! is as if it were not there: the module is compiled. wasmtime's own cache has no checksum.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

/// Most modules that are kept; of more, the oldest are removed.
pub const MAX_CACHED_MODULES: usize = 16;

const EXTENSION: &str = "cwasm";
const DIGEST_BYTES: usize = 32;

/// A directory of compiled modules. It is used only if it belongs to the user who runs this program, and nobody
/// else may write in it: what stands in it is executed.
#[derive(Clone, Debug)]
pub struct ModuleCache {
    directory: PathBuf,
}

impl ModuleCache {
    /// The cache in this directory, which is made, for this user alone, when there is something to keep.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The module as it was compiled before, or compiled now and kept.
    pub(super) fn module(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
        let path = self.directory.join(name(engine, wasm));
        let is_private = is_private(&self.directory).unwrap_or(false);
        if is_private && let Some(module) = load(engine, &path) {
            return Ok(module);
        }
        let module = Module::from_binary(engine, wasm)?;
        // A cache that cannot be written costs the next start its time, and nothing else.
        let _ = module.serialize().map(|bytes| self.keep(&path, &bytes));
        Ok(module)
    }

    fn keep(&self, path: &Path, serialized: &[u8]) -> io::Result<()> {
        make_private(&self.directory)?;
        if !is_private(&self.directory)? {
            return Ok(());
        }
        let (mut file, unfinished) = unfinished(&self.directory)?;
        let written = file
            .write_all(&Sha256::digest(serialized))
            .and_then(|()| file.write_all(serialized))
            .and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            fs::remove_file(&unfinished)?;
        }
        self.prune()
    }

    fn prune(&self) -> io::Result<()> {
        let mut modules: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let (entry, is_module) = entry.map(|entry| (entry.path(), is_module(&entry.path())))?;
            if is_module {
                modules.push((fs::metadata(&entry)?.modified()?, entry));
            }
        }
        modules.sort_unstable();
        let too_many = modules.len().saturating_sub(MAX_CACHED_MODULES);
        modules.iter().take(too_many).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION || extension == "tmp")
}

/// A new file of this thread's own. It is never one that is there, nor one that a link leads to.
fn unfinished(directory: &Path) -> io::Result<(File, PathBuf)> {
    let path = directory.join(format!("{}-{:?}.tmp", std::process::id(), std::thread::current().id()));
    Ok((File::create_new(&path)?, path))
}

/// Names the module, and all that its compilation depends on.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    let mut key = Key(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut key);
    key.0.update(wasm);
    format!("{}.{EXTENSION}", hex::encode(key.0.finalize()))
}

/// The module in the file, if the file is there and whole.
#[allow(unsafe_code, reason = "wasmtime cannot check machine code; the block says why it is its own")]
fn load(engine: &Engine, path: &Path) -> Option<Module> {
    let bytes = fs::read(path).ok()?;
    let (digest, serialized) = bytes.split_at_checked(DIGEST_BYTES)?;
    if Sha256::digest(serialized).as_slice() != digest {
        return None;
    }
    // SAFETY: the bytes have to be those that `Module::serialize` gave. They are as they were written, by their
    // digest, under the name of this module and this engine; only this user can write in the directory, and the
    // only program that writes such files wrote them from `Module::serialize`. They are read once, into memory
    // of this process, so that nobody changes them after the check. wasmtime itself refuses other versions.
    unsafe { Module::deserialize(engine, serialized) }.ok()
}

/// SHA-256 of all that is hashed.
struct Key(Sha256);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest is taken from within; nobody asks for less.
    fn finish(&self) -> u64 {
        0
    }
}

/// Whether the directory is this user's and nobody else can write in it.
#[cfg(unix)]
fn is_private(directory: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let metadata = fs::metadata(directory)?;
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Ok(false);
    }
    // Who this user is shows in a file that is made now.
    let (probe, path) = unfinished(directory)?;
    fs::remove_file(path)?;
    Ok(metadata.uid() == probe.metadata()?.uid())
}

#[cfg(not(unix))]
fn is_private(directory: &Path) -> io::Result<bool> {
    Ok(directory.is_dir())
}

#[cfg(unix)]
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn make_private(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}
