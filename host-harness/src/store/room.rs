//! Says when the disk cannot hold as much as the bound allows: at the start, or when others have filled it.

use bytesize::ByteSize;
use rustix::fs::statvfs;

use super::file::File;
use super::writer::{MAX_LOG_BYTES, now_ms};

/// How often it is looked at.
const EACH_MS: i64 = 60_000;

/// Whether there is room for what the bound allows.
#[derive(Debug)]
pub(super) struct Room {
    max_bytes: u64,
    /// When it was last looked at.
    looked_ms: Option<i64>,
    is_short: bool,
}

impl Room {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, looked_ms: None, is_short: false }
    }

    /// Looks, if that is due, and says what is new; to be called now and then.
    pub(super) fn look(&mut self, file: &File) {
        let now_ms = now_ms();
        if self.looked_ms.is_some_and(|looked_ms| now_ms.saturating_sub(looked_ms) < EACH_MS) {
            return;
        }
        self.looked_ms = Some(now_ms);
        if let Some(problem) = free_bytes(file).and_then(|free| self.problem(file.bytes(), free)) {
            tracing::warn!("{}: {problem}", file.path().display());
        }
    }

    /// What is to be said of a file of `used` bytes where `free` bytes more fit; once, until there is room again.
    fn problem(&mut self, used: u64, free: u64) -> Option<String> {
        let (wanted, room) = (self.max_bytes.saturating_add(MAX_LOG_BYTES), used.saturating_add(free));
        let was_short = std::mem::replace(&mut self.is_short, room < wanted);
        (self.is_short && !was_short).then(|| {
            let [wanted, room] = [wanted, room].map(ByteSize::b);
            format!(
                "--max-bytes and the store's log may take {wanted:.1}, but the disk has room for {room:.1}: it will be \
                 full before the oldest spans go, and senders then have to wait; make room, start with a smaller \
                 --max-bytes, or name a file on a larger disk, --store FILE"
            )
        })
    }
}

/// What the disk has left for this process; `None` if there is no disk, or one that does not say.
fn free_bytes(file: &File) -> Option<u64> {
    let disk = statvfs(file.path()).ok().filter(|disk| disk.f_blocks > 0)?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_disk_that_is_too_small_is_told_once_until_there_is_room() {
        let mut room = Room::new(2 * GIB);
        for (used, free, expected, reason) in [
            (0, 3 * GIB, None, "room for all"),
            (GIB, GIB + MAX_LOG_BYTES, None, "just so, with what is there"),
            (GIB, GIB, Some("may take 2.1 GiB, but the disk has room for 2.0 GiB:"), "no room for the log"),
            (GIB, 0, None, "it is said already"),
            (GIB, 2 * GIB, None, "others have made room"),
            (0, 0, Some("has room for 0 B:"), "it begins again"),
        ] {
            let problem = room.problem(used, free);
            assert_eq!(problem.is_some(), expected.is_some(), "{reason}: {problem:?}");
            let problem = problem.unwrap_or_default();
            assert!(problem.contains(expected.unwrap_or_default()), "{reason}: {problem}");
        }
    }

    #[test]
    fn memory_is_no_disk() {
        assert_eq!(free_bytes(&File::in_memory().unwrap()), None);
        let directory = tempfile::tempdir().unwrap();
        assert!(free_bytes(&File::open(&directory.path().join("spans.db")).unwrap()) > Some(0));
    }
}
