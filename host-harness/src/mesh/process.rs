//! The applications' processes. Each leads a group of its own: Ctrl-C in a terminal does not reach it past
//! us, and what it starts ends with it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// A longer line is told in pieces.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Is given each line that a service's process writes, without its end.
pub type Tell = Arc<dyn Fn(&str, &[u8]) + Send + Sync>;

/// Processes under way; those that are left when this is dropped are killed.
pub struct Processes {
    groups: Vec<Group>,
    tell: Tell,
    /// Nothing comes; it is disconnected when the last line of the last process has been told.
    told: Receiver<()>,
    telling: Option<Sender<()>>,
}

/// How a service's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whose process.
    pub service: String,
    /// Its exit code or the signal that ended it.
    pub status: ExitStatus,
}

struct Group {
    service: String,
    leader: Child,
    id: Option<Pid>,
    is_told: bool,
}

impl Processes {
    /// None yet; `tell` gets their lines, on threads of their own.
    pub fn new(tell: Tell) -> Self {
        let (telling, told) = channel();
        Self { groups: Vec::new(), tell, told, telling: Some(telling) }
    }

    /// Starts one more.
    ///
    /// # Errors
    /// What the system says if it cannot.
    pub fn start(&mut self, service: &str, command: &mut Command) -> std::io::Result<()> {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut leader = piped.process_group(0).spawn()?;
        let (stdout, stderr) = (leader.stdout.take(), leader.stderr.take());
        let id = i32::try_from(leader.id()).ok().and_then(Pid::from_raw);
        // Before the threads, so that it ends with the others if one cannot be had.
        self.groups.push(Group { service: service.to_owned(), leader, id, is_told: false });
        if let Some(stdout) = stdout {
            self.relay(service, stdout)?;
        }
        if let Some(stderr) = stderr {
            self.relay(service, stderr)?;
        }
        Ok(())
    }

    /// A process that has ended since this was asked last.
    pub fn ended(&mut self) -> Option<Ended> {
        self.groups.iter_mut().find_map(|group| {
            let status = group.status().filter(|_| !group.is_told)?;
            group.is_told = true;
            Some(Ended { service: group.service.clone(), status })
        })
    }

    /// Asks all to end, and all that they have started: SIGTERM.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Ends all, and all that they have started: SIGKILL. Gives the services that had to be.
    pub fn kill(&mut self) -> Vec<String> {
        self.signal(Signal::KILL);
        let mut killed = Vec::new();
        for mut group in self.groups.drain(..) {
            // One that is gone already leaves nothing to wait for.
            let _ = group.leader.wait();
            killed.push(group.service);
        }
        killed
    }

    /// Whether all are gone, with all that they have started.
    pub fn are_gone(&mut self) -> bool {
        self.groups.retain_mut(|group| !group.is_gone());
        self.groups.is_empty()
    }

    /// Waits until the last lines of processes that are gone are told.
    pub fn finish(mut self, limit: Duration) {
        drop(self.telling.take());
        // Who left its group may write still; then the limit counts.
        let _ = self.told.recv_timeout(limit);
    }

    fn signal(&mut self, signal: Signal) {
        self.groups.retain_mut(|group| !group.is_gone());
        for id in self.groups.iter().filter_map(|group| group.id) {
            // One that ended just now needs none.
            let _ = kill_process_group(id, signal);
        }
    }

    fn relay(&self, service: &str, source: impl Read + Send + 'static) -> std::io::Result<()> {
        let (service, tell, telling) = (service.to_owned(), Arc::clone(&self.tell), self.telling.clone());
        let work = move || {
            let _telling = telling;
            tell_lines(source, |line| tell(&service, line));
        };
        std::thread::Builder::new().name("meshspan-lines".to_owned()).spawn(work).map(drop)
    }
}

impl Group {
    /// How its leader ended; it is waited for here, so it is no zombie.
    fn status(&mut self) -> Option<ExitStatus> {
        self.leader.try_wait().ok().flatten()
    }

    /// A group lasts as long as somebody is in it, and its id is given to no other until then.
    fn is_gone(&mut self) -> bool {
        self.status().is_some() && self.id.is_none_or(|id| test_kill_process_group(id).is_err())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tell_lines(source: impl Read, tell: impl Fn(&[u8])) {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        match source.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => tell(line.strip_suffix(b"\n").unwrap_or(&line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A shell that runs `script`, and what it says.
    fn start(script: &str) -> (Processes, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&lines);
        let mut processes = Processes::new(Arc::new(move |service, line| {
            let line = format!("{service}: {}", String::from_utf8_lossy(line));
            theirs.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }));
        processes.start("web", Command::new("sh").args(["-c", script])).unwrap();
        (processes, lines)
    }

    fn until(mut happened: impl FnMut() -> bool) {
        let tries = LIMIT.as_millis() / 10;
        for _ in 0..tries {
            if happened() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("waited {LIMIT:?} in vain");
    }

    #[test]
    fn lines_and_status_are_told_once() {
        let (mut processes, lines) = start("echo one; echo two >&2; printf three; exit 7");
        let mut ended = None;
        until(|| {
            ended = processes.ended();
            ended.is_some()
        });
        let ended = ended.unwrap();
        assert_eq!((ended.service.as_str(), ended.status.code()), ("web", Some(7)));
        assert_eq!(processes.ended(), None);
        until(|| processes.are_gone());
        processes.finish(LIMIT);
        let mut lines = lines.lock().unwrap().clone();
        lines.sort();
        assert_eq!(lines, ["web: one", "web: three", "web: two"]);
    }

    #[test]
    fn what_a_process_has_started_ends_with_it() {
        let (mut processes, lines) = start("sleep 60 & echo $!; wait");
        until(|| !lines.lock().unwrap().is_empty());
        let child: i32 = lines.lock().unwrap()[0].trim_start_matches("web: ").parse().unwrap();
        processes.terminate();
        until(|| processes.are_gone());
        assert!(rustix::process::test_kill_process(Pid::from_raw(child).unwrap()).is_err());
    }

    #[test]
    fn one_that_does_not_listen_is_killed() {
        let (mut processes, lines) = start("trap '' TERM; echo up; while :; do sleep 0.05; done");
        until(|| !lines.lock().unwrap().is_empty());
        processes.terminate();
        std::thread::sleep(Duration::from_millis(200));
        assert!(!processes.are_gone());
        assert_eq!(processes.kill(), ["web"]);
        assert!(processes.are_gone());
    }
}
