//! CPU time of another process, from Linux's own accounting of each of its threads.
//! Spec: <https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat>
//! `39696513840 1203882 5120` → 39.7 s on a CPU

use std::time::Duration;

/// The CPU time that the living threads of a process have used, user and system.
///
/// A thread that runs right now is behind by one scheduler tick at most; one that sleeps is exact.
/// Panics where there is no such process.
pub fn used_by(process_id: u32) -> Duration {
    let tasks = format!("/proc/{process_id}/task");
    let threads = std::fs::read_dir(&tasks).unwrap_or_else(|error| panic!("{tasks}: {error}"));
    let of_thread = |entry: std::io::Result<std::fs::DirEntry>| {
        let file = entry.ok()?.path().join("schedstat");
        on_cpu(&std::fs::read_to_string(file).ok()?)
    };
    threads.filter_map(of_thread).sum()
}

/// The first of the three numbers: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::Process;
    use crate::wait;

    #[test]
    fn who_works_uses_time_and_who_rests_does_not() {
        let rests = Process::start(Command::new("sleep").arg("60"));
        let works = Process::start(Command::new("sh").args(["-c", "while :; do :; done"]));
        let threshold = Duration::from_millis(100);
        wait::until("a busy child to use CPU", || (used_by(works.id()) >= threshold).then_some(()));
        assert!(used_by(rests.id()) < threshold);
    }

    #[test]
    fn the_first_number_counts() {
        assert_eq!(on_cpu("39696513840 1203882 5120\n"), Some(Duration::from_nanos(39_696_513_840)));
        assert_eq!(on_cpu(""), None);
    }
}
