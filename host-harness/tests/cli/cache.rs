//! The cache of compiled filters, from the outside.

use std::{fs, path::Path};

use super::meshspan;

fn demo(cache: &Path, more: &[&str]) {
    let arguments = [&["demo", "-q", "--seed", "1", "-o", "json"], more].concat();
    let output = meshspan(&arguments).env("MESHSPAN_CACHE_DIR", cache).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn modules(cache: &Path) -> usize {
    fs::read_dir(cache).map_or(0, Iterator::count)
}

#[test]
fn a_filter_is_kept_where_the_user_says_and_only_if_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    demo(&cache, &["--no-cache"]);
    assert_eq!(modules(&cache), 0);
    demo(&cache, &[]);
    assert_eq!(modules(&cache), 1);
    demo(&cache, &[]);
    assert_eq!(modules(&cache), 1, "the same one");
    let file = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    fs::write(file, "damaged").unwrap();
    demo(&cache, &[]);
}
