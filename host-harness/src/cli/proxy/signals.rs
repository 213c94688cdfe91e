//! What the user asks of a server, by signals: SIGTERM and Ctrl-C to stop, SIGHUP to reload.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use crate::cli::error::Exit;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Stop,
    Reload,
}

/// Signals as they come. A second one to stop ends the program at once, unless that is held back.
pub(crate) struct Signals {
    asked: Receiver<Asked>,
    is_held: Arc<AtomicBool>,
    _runtime: Runtime,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Self::start(false)
    }

    /// The same for a program that has more to end than itself: a second signal to stop is told as the first
    /// one is, until [`release`](Self::release).
    pub(crate) fn listen_held() -> std::io::Result<Self> {
        Self::start(true)
    }

    /// From now on, a second signal to stop ends the program at once.
    pub(crate) fn release(&self) {
        self.is_held.store(false, Ordering::SeqCst);
    }

    fn start(is_held: bool) -> std::io::Result<Self> {
        let is_held = Arc::new(AtomicBool::new(is_held));
        let holds = Arc::clone(&is_held);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (sender, asked) = channel();
        let (mut interrupt, mut terminate, mut hang_up) = {
            let _entered = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            )
        };
        runtime.spawn(async move {
            let mut stops = false;
            loop {
                let asked = tokio::select! {
                    _ = interrupt.recv() => Asked::Stop,
                    _ = terminate.recv() => Asked::Stop,
                    _ = hang_up.recv() => Asked::Reload,
                };
                let again = asked == Asked::Stop && std::mem::replace(&mut stops, true);
                if again && !holds.load(Ordering::SeqCst) {
                    std::process::exit(i32::from(Exit::Interrupted.code()));
                }
                if sender.send(asked).is_err() {
                    return;
                }
            }
        });
        Ok(Self { asked, is_held, _runtime: runtime })
    }

    /// The next signal, waited for no longer than this.
    pub(crate) fn next(&self, limit: Duration) -> Result<Asked, RecvTimeoutError> {
        self.asked.recv_timeout(limit)
    }
}
