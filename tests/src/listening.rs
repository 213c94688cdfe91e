//! A server of the tests: a thread with a runtime of its own on a free port of 127.0.0.1, ended when dropped.

use std::thread;

use tokio::net::TcpListener;

/// Something that listens.
#[derive(Debug)]
pub struct Listening {
    port: u16,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Listening {
    /// Runs what `serve` makes of the listener.
    pub fn start<F>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Listening
    where
        F: Future<Output = ()>,
    {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = serve(listener) => {}
                    _ = stopped => {}
                }
            });
        });
        Listening { port, _stop: stop }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}
