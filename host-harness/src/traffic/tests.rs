//! What holds for every format: files, standard input, gzip, detection, skips.

use std::io::{Read, Write as _};

use super::*;
use crate::topology::Emojivoto;

/// Every entry of `bytes`, in the format that is found out.
fn entries(bytes: &[u8], name: &str, options: &Options) -> Result<Vec<Entry>, String> {
    let reader = std::io::Cursor::new(bytes.to_vec());
    let traffic = read(reader, name, options).map_err(|error| error.to_string())?;
    traffic.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn our_own_lines_are_found_out_compressed_marked_or_named_otherwise() {
    let plain = Emojivoto::B3.recording();
    let marked = [b"\xef\xbb\xbf", plain].concat();
    let expected = jsonl::JsonLines::new(plain).count();
    for (bytes, name, reason) in [
        (plain.to_vec(), "a.jsonl", "as it is"),
        (plain.to_vec(), "standard input", "without an extension"),
        (marked.clone(), "a.txt", "with a byte order mark"),
        (gzip(plain), "a.jsonl.gz", "compressed"),
        ([gzip(&plain[..700]), gzip(&plain[700..])].concat(), "a", "in two members"),
        (gzip(&marked), "a", "compressed, with a byte order mark"),
    ] {
        let mut tally = Tally::default();
        let entries = entries(&bytes, name, &Options::default()).unwrap();
        entries.into_iter().for_each(|entry| _ = tally.take(entry));
        assert_eq!((tally.exchanges, tally.skipped_count()), (expected as u64, 0), "{reason}");
    }
}

#[test]
fn a_bad_line_is_skipped_and_counted_or_ends_a_strict_reading() {
    let line = std::str::from_utf8(Emojivoto::B3.recording()).unwrap().lines().next().unwrap();
    let text = format!("{line}\n{{\n{}\n{line}\n", line.replace("\"GET\"", "\"\""));
    let mut tally = Tally::default();
    let found = entries(text.as_bytes(), "a.jsonl", &Options::default()).unwrap();
    found.into_iter().for_each(|entry| _ = tally.take(entry));
    assert_eq!(
        tally.to_string(),
        "2 exchanges, 2 entries skipped\n\
         skipped 1: unreadable (first: a.jsonl: line 2: unreadable: column 1: EOF while parsing an object)\n\
         skipped 1: value out of range (first: a.jsonl: line 3: request.method is \"\", expected a method, such as \"GET\")"
    );
    let strict = Options { strict: true, ..Options::default() };
    let error = entries(text.as_bytes(), "a.jsonl", &strict).unwrap_err();
    assert!(error.starts_with("a.jsonl: line 2: unreadable"), "{error}");
}

#[test]
fn what_is_no_traffic_is_refused() {
    let names = Format::names();
    for (bytes, name, expected) in [
        (&b"hello"[..], "a.txt", format!("a.txt: the format is not known, expected one of {names}")),
        (b" \n", "a.txt", format!("a.txt: the file is empty, expected one of {names}")),
        (b"\x1f\x8bxx", "a.gz", "cannot read a.gz: ".to_owned()),
    ] {
        let error = entries(bytes, name, &Options::default()).unwrap_err();
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = open(&"/no/such/file".into(), &Options::default()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /no/such/file: No such file"), "{error}");
    assert_eq!(
        "jsonlines".parse::<Format>().unwrap_err(),
        format!("format is \"jsonlines\", expected one of {names}")
    );
    assert_eq!(Input::from("-"), Input::Stdin);
}

#[test]
fn files_follow_each_other_until_one_cannot_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.jsonl");
    std::fs::write(&path, Emojivoto::B3.recording()).unwrap();
    let there = Input::File(path);
    let inputs = vec![there.clone(), there.clone(), "/no/such/file".into(), there];
    let entries: Vec<_> = open_all(inputs, Options::default()).collect();
    let expected = jsonl::JsonLines::new(Emojivoto::B3.recording()).count();
    assert_eq!(entries.iter().filter(|entry| entry.is_ok()).count(), 2 * expected);
    assert!(entries.last().unwrap().as_ref().is_err_and(|error| error.to_string().contains("/no/such/file")));
}

/// A pipe gives what it has: a line is read when it is there, not when the file ends.
#[test]
fn a_pipe_is_read_as_it_comes() {
    struct Pipe(&'static [u8]);
    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let (byte, rest) = self.0.split_first().expect("nothing is read before the line was given on");
            (buffer[0], self.0) = (*byte, rest);
            Ok(1)
        }
    }
    let line = Emojivoto::B3.recording().split_inclusive(|&byte| byte == b'\n').next().unwrap();
    let mut traffic = read(Pipe(line), "pipe", &Options::default()).unwrap();
    assert!(matches!(traffic.next(), Some(Ok(Entry::Exchange { .. }))));
}
