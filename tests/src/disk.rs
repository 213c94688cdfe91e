//! A disk of a few megabytes that can really be full: a tmpfs in a mount namespace of its own, for which nobody
//! has to be root. Who is to write on it is started inside; a test looks at it through `/proc`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;
use crate::wait;

/// Where it is mounted, for those inside.
const PLACE: &str = "/mnt";

/// What a machine says no to, and how to change its mind.
const REFUSED: &str = "no disk can be mounted in a namespace of one's own. On Ubuntu:
    sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
in a container: docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined";

/// A mounted disk; goes with all that is on it when dropped.
#[derive(Debug)]
pub struct Disk {
    /// Does nothing but hold the namespaces.
    holder: Process,
}

impl Disk {
    /// Mounts an empty one of so many bytes, if the machine lets its users mount anything.
    ///
    /// # Errors
    /// It does not, and what would change that: many containers have no namespaces to give.
    pub fn of(bytes: u64) -> Result<Disk, String> {
        let script =
            format!("mount -t tmpfs -o size={bytes} meshspan {PLACE} && echo mounted && exec sleep inf");
        let mut command = Command::new("unshare");
        let mut holder =
            Process::start(command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]));
        wait::until("the disk", || match holder.ended() {
            Some(status) => {
                Some(Err(format!("{REFUSED}\nunshare, from util-linux: {status}: {}", holder.stderr())))
            }
            None => holder.stdout().contains("mounted").then_some(Ok(())),
        })?;
        let disk = Disk { holder };
        let entered = disk.inside(&Command::new("true")).output();
        match entered {
            Ok(output) if output.status.success() => Ok(disk),
            refused => Err(format!("{REFUSED}\nnsenter, from util-linux: {refused:?}")),
        }
    }

    /// `command`, to be run where the disk is.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--target={}", self.holder.id()));
        inside.args(["--user", "--mount", "--preserve-credentials", "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// A file's path for those inside.
    pub fn path(&self, name: &str) -> String {
        format!("{PLACE}/{name}")
    }

    /// The same file for everybody else.
    pub fn from_outside(&self, name: impl AsRef<OsStr>) -> PathBuf {
        Path::new(&format!("/proc/{}/root{PLACE}", self.holder.id())).join(name.as_ref())
    }
}
