//! Ctrl-C: the first one asks for an orderly end, the second one ends the program.

use std::io::Write;

use tokio::{runtime::Runtime, sync::watch};

use super::error::Exit;

/// Whether the user has asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen(runtime: &Runtime) -> Self {
        let (sender, receiver) = watch::channel(false);
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return;
            }
            sender.send_replace(true);
            let _ = writeln!(std::io::stderr(), "\ninterrupted: flushing; once more to end at once");
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
        });
        Self(receiver)
    }

    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when the user asks for the end; never if nobody listens to the keyboard.
    pub(crate) async fn requested(mut self) {
        if self.0.wait_for(|requested| *requested).await.is_err() {
            std::future::pending().await
        }
    }
}
