//! What `--save FILE`, `--record FILE` and `--out FILE` may be: one place decides, for all commands. A file that is
//! there is written only if it holds what the command writes, or nothing; the store, which is to stay whole, never is.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use meshspan::counted::counted;
use meshspan::traffic::{TrafficError, jsonl::JsonLines};

use super::error::CliError;

/// How each line of OTLP JSON Lines begins, as this program and the OpenTelemetry Collector write them.
const START: &[u8] = b"{\"resourceSpans\":";

/// How a wasm begins.
const WASM: &[u8] = b"\0asm";

/// What stands beside a store, behind its name.
const BESIDE_STORE: [&str; 4] = ["", "-wal", "-shm", "-lock"];

/// How much of a file's end is read at once.
const STEP: u64 = 64 << 10;

/// What becomes of the lines that a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// More come behind them: of a command that runs again and again.
    Stay,
    /// They make room: of a command that ends.
    Go,
}

/// What a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Spans,
    Recording,
    Wasm,
}

/// A file as the user names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// By which flag, such as `--save`.
    pub(crate) flag: &'static str,
    pub(crate) path: &'a Path,
}

/// The file to write spans to, which is not the store's.
///
/// # Errors
/// As [`open`]; or it is the store's.
pub(crate) fn open_for_spans(path: &Path, store: Option<&Path>, lines: Lines) -> Result<File, CliError> {
    if store.is_some_and(|store| is_of_store(path, store)) {
        let message = format!("--save {} is the store's own file", path.display());
        return Err(CliError::bad_configuration(message).help("name another file, such as spans.jsonl"));
    }
    open(Named { flag: "--save", path }, Content::Spans, lines)
}

/// The file to write `content` to.
///
/// # Errors
/// Something else is in the file, or the system refuses it.
pub(crate) fn open(named: Named<'_>, content: Content, lines: Lines) -> Result<File, CliError> {
    let path = named.path;
    let failed = |error: io::Error| CliError::write(path, &error);
    // Not truncated: what is there may be somebody's.
    let mut file = match std::fs::metadata(path) {
        // A pipe or a terminal has nothing to lose, and may not be readable.
        Ok(found) if !found.is_file() => return OpenOptions::new().write(true).open(path).map_err(failed),
        _ => OpenOptions::new().read(true).append(true).create(true).open(path),
    }
    .map_err(failed)?;
    if !content.is_in(&mut file).map_err(failed)? {
        return Err(other(named, content, lines));
    }
    let made_ready = match lines {
        Lines::Go => file.set_len(0),
        Lines::Stay => end(&mut file, path),
    };
    made_ready.map(|()| file).map_err(failed)
}

/// Whether `path` is, or would be, `store` or one of the files beside it.
fn is_of_store(path: &Path, store: &Path) -> bool {
    BESIDE_STORE.iter().any(|suffix| {
        let mut name = OsString::from(store.as_os_str());
        name.push(suffix);
        are_one(path, Path::new(&name))
    })
}

/// Whether the two name the same file.
pub(crate) fn are_one(path: &Path, other: &Path) -> bool {
    real(path) == real(other)
}

/// Without links, also of a file that is not there yet.
fn real(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().unwrap_or_else(|_| parent.to_owned());
    parent.join(path.file_name().unwrap_or(OsStr::new("")))
}

impl Content {
    fn name(self) -> &'static str {
        match self {
            Self::Spans => "OTLP JSON Lines",
            Self::Recording => "a recording in JSON Lines",
            Self::Wasm => "WebAssembly",
        }
    }

    /// Whether there is nothing in the file, or what we write.
    fn is_in(self, file: &mut File) -> io::Result<bool> {
        let start = match self {
            Self::Spans => START,
            Self::Recording => return begins_recording(file),
            Self::Wasm => WASM,
        };
        let mut head = Vec::new();
        file.take(start.len() as u64).read_to_end(&mut head)?;
        Ok(head.is_empty() || head == start)
    }
}

/// Whether its first line is an exchange, if it has one.
fn begins_recording(file: &mut File) -> io::Result<bool> {
    match JsonLines::new(BufReader::new(file)).next() {
        None | Some(Ok(_)) => Ok(true),
        Some(Err(TrafficError::Read { source, .. })) => Err(source),
        Some(Err(_)) => Ok(false),
    }
}

fn other(Named { flag, path }: Named<'_>, content: Content, lines: Lines) -> CliError {
    let content = content.name();
    let message = format!("{flag} {}: the file is there and is not {content}", path.display());
    let done = match lines {
        Lines::Stay => "added to",
        Lines::Go => "replaced",
    };
    CliError::bad_configuration(message).help(format!(
        "name a file that is not there yet, or one with {content}, which is {done}; or remove this one yourself"
    ))
}

/// Makes the file end with a whole line. One that a killed process began cannot be read, and what came behind it
/// could not either.
fn end(file: &mut File, path: &Path) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let whole = last_line(file, length)?;
    if whole == length {
        return Ok(());
    }
    file.seek(SeekFrom::Start(whole))?;
    if serde_json::from_reader::<_, serde::de::IgnoredAny>(BufReader::new(&mut *file)).is_ok() {
        return file.write_all(b"\n");
    }
    tracing::warn!(
        "{}: the last line, {}, was cut off when it was written; it is left out",
        path.display(),
        counted(length - whole, "byte")
    );
    file.set_len(whole)
}

/// Where the line at the file's end begins: the end itself, if a line ended there.
fn last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut *file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::Exit;

    const LINE: &str = "{\"resourceSpans\":[]}\n";

    /// What is in the file after `--save` has written "new", or why it did not.
    fn saved(before: Option<&[u8]>, lines: Lines) -> Result<String, CliError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spans");
        if let Some(before) = before {
            std::fs::write(&path, before).unwrap();
        }
        let opened = open_for_spans(&path, None, lines);
        if opened.is_err() {
            assert_eq!(std::fs::read(&path).unwrap(), before.unwrap(), "what is refused is left as it is");
        }
        opened?.write_all(b"new").unwrap();
        Ok(std::fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn only_what_is_ours_is_written() {
        for lines in [Lines::Stay, Lines::Go] {
            assert_eq!(saved(None, lines).unwrap(), "new", "no file");
            assert_eq!(saved(Some(b""), lines).unwrap(), "new", "an empty one");
            for (other, reason) in [
                (&b"SQLite format 3\0"[..], "a database"),
                (b"hello", "a text"),
                (b"{", "shorter than a line"),
                (b"{\n  \"resourceSpans\": []\n}\n", "a document of many lines"),
                (b"{\"id\":\"1\"}\n", "a recording"),
            ] {
                let error = saved(Some(other), lines).unwrap_err();
                assert_eq!(error.exit, Exit::BadConfiguration, "{reason}");
                assert!(error.message.contains("is not OTLP JSON Lines"), "{reason}: {error}");
            }
        }
        assert_eq!(saved(Some(LINE.as_bytes()), Lines::Go).unwrap(), "new");
        assert_eq!(saved(Some(LINE.as_bytes()), Lines::Stay).unwrap(), format!("{LINE}new"));
    }

    #[test]
    fn a_line_that_was_cut_off_spoils_no_other() {
        let long = format!("{{\"resourceSpans\":[\"{}\"]}}", "x".repeat(2 * STEP as usize));
        for (before, expected, reason) in [
            (format!("{LINE}{{\"resourceSp"), LINE.to_owned(), "cut off"),
            (LINE[..19].to_owned(), String::new(), "the only one"),
            (LINE.trim_end().to_owned(), LINE.to_owned(), "whole, without its end"),
            (format!("{LINE}{long}"), format!("{LINE}{long}\n"), "long"),
            (format!("{LINE}{}", &long[..long.len() - 2]), LINE.to_owned(), "long and cut off"),
        ] {
            assert_eq!(saved(Some(before.as_bytes()), Lines::Stay).unwrap(), expected + "new", "{reason}");
        }
    }

    #[test]
    fn the_store_is_known_by_any_name() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::os::unix::fs::symlink(directory.path(), at("link")).unwrap();
        for (path, expected) in [
            ("spans.db", true),
            ("spans.db-wal", true),
            ("spans.db-shm", true),
            ("spans.db-lock", true),
            ("link/spans.db", true),
            ("spans.jsonl", false),
        ] {
            let refused = open_for_spans(&at(path), Some(&at("spans.db")), Lines::Stay);
            assert_eq!(refused.is_err(), expected, "{path}");
            assert!(!at("spans.db").exists(), "{path}: nothing is made");
        }
        std::fs::write(at("spans.db"), LINE).unwrap();
        std::os::unix::fs::symlink(at("spans.db"), at("other")).unwrap();
        let opened = open_for_spans(&at("other"), Some(&at("spans.db")), Lines::Go);
        assert!(opened.is_err(), "by a link to the file");
    }

    #[test]
    fn what_is_no_file_takes_all() {
        let named = Named { flag: "--out", path: Path::new("/dev/null") };
        for content in [Content::Spans, Content::Recording, Content::Wasm] {
            open(named, content, Lines::Stay).unwrap();
        }
    }

    #[test]
    fn each_knows_its_own_kind_by_what_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let recording = meshspan::topology::Emojivoto::B3.recording();
        for (file, content, expected, reason) in [
            (&b""[..], Content::Recording, true, "nothing"),
            (b"\n", Content::Recording, true, "nothing but a line's end"),
            (recording, Content::Recording, true, "a recording"),
            (&recording[..99], Content::Recording, false, "less than an exchange"),
            (b"{\"id\":\"1\",\"name\":\"Ada\"}\n", Content::Recording, false, "lines of something else"),
            (LINE.as_bytes(), Content::Recording, false, "spans"),
            (b"\0asm\x01\0\0\0", Content::Wasm, true, "a wasm"),
            (b"\0as", Content::Wasm, false, "less than a wasm"),
            (recording, Content::Wasm, false, "a recording, which is no wasm"),
        ] {
            std::fs::write(&path, file).unwrap();
            let opened = open(Named { flag: "--out", path: &path }, content, Lines::Stay);
            assert_eq!(opened.is_ok(), expected, "{reason}: {opened:?}");
            if let Err(error) = opened {
                let message =
                    format!("--out {}: the file is there and is not {}", path.display(), content.name());
                assert_eq!((error.message, error.exit), (message, Exit::BadConfiguration), "{reason}");
            }
        }
    }
}
