//! `--save FILE` writes over nothing that it did not write.

use super::{run, stdout};

#[test]
fn no_file_of_another_kind_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (store, notes) = (path("spans.db"), path("notes"));
    stdout(&["demo", "--no-serve", "--store", &store]);
    std::fs::write(&notes, "mine").unwrap();
    for (arguments, expected) in [
        (&["collect", "--store", &store, "--save", &store][..], "is the store's own file"),
        (&["collect", "--store", &store, "--save", &path("spans.db-wal")], "is the store's own file"),
        (&["collect", "--store", &path("new.db"), "--save", &path("new.db")], "is the store's own file"),
        (&["demo", "--no-serve", "--store", &path("new.db"), "--save", &path("new.db")], "the store's own"),
        (&["collect", "--in-memory", "--save", &store], "is not OTLP JSON Lines"),
        (&["demo", "--no-serve", "--save", &store], "is not OTLP JSON Lines"),
        (&["demo", "--no-serve", "--save", &notes], "is not OTLP JSON Lines"),
    ] {
        let before = std::fs::read(&store).unwrap();
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.contains("help: name"), "{arguments:?}: {stderr}");
        assert!(std::fs::read(&store).unwrap() == before, "{arguments:?}");
    }
    assert_eq!(std::fs::read(&notes).unwrap(), b"mine");
    assert!(!directory.path().join("new.db").exists());
}

#[test]
fn who_runs_once_begins_its_own_file_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spans.jsonl");
    let demo = ["demo", "--no-serve", "--seed", "7", "--keep-times", "--save", file.to_str().unwrap()];
    stdout(&demo);
    let first = std::fs::read(&file).unwrap();
    stdout(&demo);
    assert!(std::fs::read(&file).unwrap() == first && !first.is_empty());
}
