//! The cache of compiled modules: used, and harmless whatever has become of it.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

struct Cached {
    script: Script,
    directory: TempDir,
}

impl Cached {
    fn new() -> Self {
        let script = Script::new().on("tick", &["say 'as before'"]);
        Self { script, directory: TempDir::new().unwrap() }
    }

    /// A directory that the cache makes itself.
    fn place(&self) -> PathBuf {
        self.directory.path().join("a/b")
    }

    /// Starts the filter from the cache and uses it.
    fn run(&self) {
        let cache = ModuleCache::new(self.place());
        let filter = Filter::compile_cached(&self.script.wasm(), Limits::default(), &cache).unwrap();
        let mut vm = filter.start(PluginOptions::default()).unwrap();
        vm.tick().unwrap();
        assert_eq!(said(&mut vm), ["as before"]);
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.place()).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The only file in the cache.
    fn file(&self) -> PathBuf {
        let mut files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

#[test]
fn a_second_start_reads_what_the_first_has_written() {
    let cached = Cached::new();
    cached.run();
    let written = fs::metadata(cached.file()).unwrap().modified().unwrap();
    cached.run();
    assert_eq!(fs::metadata(cached.file()).unwrap().modified().unwrap(), written, "not compiled anew");
}

#[test]
fn another_module_or_another_engine_is_another_file() {
    let cached = Cached::new();
    cached.run();
    let wasm = Script::new().on("tick", &["say 'another'"]).wasm();
    let cache = ModuleCache::new(cached.place());
    Filter::compile_cached(&wasm, Limits::default(), &cache).unwrap();
    assert_eq!(cached.files().len(), 2);
    let engine = wasmtime::Engine::default();
    cache.module(&engine, &wasm).unwrap();
    assert_eq!(cached.files().len(), 3, "one without epochs");
}

#[test]
fn a_damaged_file_is_replaced() {
    let cached = Cached::new();
    cached.run();
    let whole = fs::read(cached.file()).unwrap();
    let mut damages: Vec<(String, Vec<u8>)> = vec![
        ("empty".to_owned(), Vec::new()),
        ("cut in its digest".to_owned(), whole[..20].to_vec()),
        ("cut in its middle".to_owned(), whole[..whole.len() / 2].to_vec()),
        ("longer".to_owned(), [&whole[..], b"x"].concat()),
        ("something else".to_owned(), vec![b'x'; whole.len()]),
    ];
    for place in (0..whole.len()).step_by(whole.len() / 50) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        damages.push((format!("bit {place} turned"), bytes));
    }
    for (reason, bytes) in damages {
        fs::write(cached.file(), bytes).unwrap();
        cached.run();
        assert!(fs::read(cached.file()).unwrap() == whole, "{reason}: not replaced");
    }
}

#[test]
fn a_directory_that_cannot_be_made_costs_nothing_but_time() {
    let cached = Cached::new();
    fs::write(cached.directory.path().join("a"), "a file where a directory would be").unwrap();
    cached.run();
    assert!(cached.files().is_empty());
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_can_write_in_is_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let cached = Cached::new();
    cached.run();
    let mode = |mode| fs::set_permissions(cached.place(), fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(cached.place()).unwrap().permissions().mode() & 0o777, 0o700, "as it was made");
    for open in [0o770, 0o707, 0o777] {
        mode(open);
        fs::write(cached.file(), "not to be read").unwrap();
        cached.run();
        assert_eq!(fs::read(cached.file()).unwrap(), b"not to be read", "{open:o}: not to be written");
    }
    mode(0o755);
    cached.run();
    assert_ne!(fs::read(cached.file()).unwrap(), b"not to be read");
}

#[test]
fn the_oldest_modules_make_room() {
    let cached = Cached::new();
    cached.run();
    let first = cached.file();
    let cache = ModuleCache::new(cached.place());
    for number in 0..MAX_CACHED_MODULES {
        let wasm = Script::new().on("tick", &[&format!("say '{number}'")]).wasm();
        Filter::compile_cached(&wasm, Limits::default(), &cache).unwrap();
    }
    assert_eq!(cached.files().len(), MAX_CACHED_MODULES);
    assert!(!first.exists());
}
