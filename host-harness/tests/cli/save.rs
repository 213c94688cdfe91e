//! `--save FILE`, `--record FILE` and `--out FILE` write over nothing that they did not write.

use super::{recording, run, stdout};

#[test]
fn no_file_of_another_kind_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (store, notes) = (path("spans.db"), path("notes"));
    stdout(&["demo", "--no-serve", "--store", &store]);
    std::fs::write(&notes, "mine").unwrap();
    let (recorded, copy) = (recording("emojivoto-b3.jsonl"), path("copy.jsonl"));
    std::fs::copy(&recorded, &copy).unwrap();
    for (arguments, expected) in [
        (&["collect", "--store", &store, "--save", &store][..], "is the store's own file"),
        (&["collect", "--store", &store, "--save", &path("spans.db-wal")], "is the store's own file"),
        (&["collect", "--store", &path("new.db"), "--save", &path("new.db")], "is the store's own file"),
        (&["demo", "--no-serve", "--store", &path("new.db"), "--save", &path("new.db")], "the store's own"),
        (&["collect", "--in-memory", "--save", &store], "is not OTLP JSON Lines"),
        (&["demo", "--no-serve", "--save", &store], "is not OTLP JSON Lines"),
        (&["demo", "--no-serve", "--save", &notes], "is not OTLP JSON Lines"),
        (&["demo", "--no-serve", "--save", &copy], "is not OTLP JSON Lines"),
        (&["proxy", "--upstream", "http://127.0.0.1:1", "--record", &notes], "is not a recording"),
        (&["proxy", "--upstream", "http://127.0.0.1:1", "--record", &store], "is not a recording"),
        (&["convert", &recorded, "--out", &notes], "is not a recording"),
        (&["convert", &copy, "--out", &copy], "is a file that is read"),
        (&["filter", "--out", &copy], "is not WebAssembly"),
    ] {
        let before = std::fs::read(&store).unwrap();
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.contains("help: name"), "{arguments:?}: {stderr}");
        assert!(std::fs::read(&store).unwrap() == before, "{arguments:?}");
    }
    assert_eq!(std::fs::read(&notes).unwrap(), b"mine");
    assert!(std::fs::read(&copy).unwrap() == std::fs::read(&recorded).unwrap());
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

#[test]
fn a_recording_stays_until_there_is_another() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.jsonl");
    let out = out.to_str().unwrap();
    run(&["convert", &recording("emojivoto-b3.jsonl"), "--out", out]);
    let first = std::fs::read(out).unwrap();
    assert!(!first.is_empty());
    assert_eq!(run(&["convert", "/no/such/file", "--out", out]).status.code(), Some(1));
    assert!(std::fs::read(out).unwrap() == first, "there was nothing to read");
    run(&["convert", &recording("emojivoto-w3c.jsonl"), "--out", out]);
    let second = std::fs::read(out).unwrap();
    assert!(second != first && !second.is_empty(), "it is replaced");
}
