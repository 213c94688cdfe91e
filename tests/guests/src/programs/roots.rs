//! One of several plugins in a VM: tells which of them each callback is made for, and who else is there.

use std::cell::RefCell;

use crate::exports::called;
use crate::host;
use crate::program::{Action, Program, Root};
use crate::transcript::{done, got, tell};

thread_local! {
    /// The plugins that were configured in this VM, in order.
    static THERE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// As the tests give it.
const VM: &str = "both";
/// The only one that ticks.
const TICKING: &[u8] = b"one";

#[derive(Default)]
pub(crate) struct Roots {
    ticks: usize,
}

fn own_id() -> Vec<u8> {
    host::property("plugin_root_id").unwrap_or_default()
}

impl Root for Roots {
    fn stream(&mut self) -> Box<dyn Program> {
        Box::new(Stream)
    }

    fn configure(&mut self) {
        let id = String::from_utf8_lossy(&own_id()).into_owned();
        done("register", host::register_queue(&id)).ok();
        if id.as_bytes() == TICKING {
            done("tick", host::tick_period(10)).ok();
        }
        THERE.with_borrow_mut(|there| there.push(id));
    }

    fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks == 1 {
            got("tick of", host::property("plugin_root_id")).ok();
            done("proxy_done of one that runs", host::root_done()).ok();
        }
    }

    fn queue_ready(&mut self, queue: u32) {
        got("queue of", host::property("plugin_root_id")).ok();
        got("from it", host::dequeue(queue)).ok();
    }
}

struct Stream;

impl Program for Stream {
    fn request_headers(&mut self, _end: bool) -> Action {
        tell(&format!("in the VM: {}", THERE.with_borrow(|there| there.join(" "))));
        for path in ["plugin_root_id", "plugin_name", "plugin_vm_id"] {
            got(path, host::property(path)).ok();
        }
        done("proxy_done of a stream", host::root_done()).ok();
        let head = [(":method", "POST"), (":path", "/status/200"), (":authority", "oracle.test")];
        match host::http_call("oracle", &head, b"", &[], 1000) {
            Ok(token) => {
                called(token);
                Action::Pause
            }
            Err(status) => {
                tell(&format!("call → {status}"));
                Action::Continue
            }
        }
    }

    fn answered(&mut self, _size: usize) {
        let id = own_id();
        let other = if id == TICKING { "two" } else { "one" };
        if let Ok(queue) = host::resolve_queue(VM, other) {
            done("to the other's queue", host::enqueue(queue, &id)).ok();
        }
        done("continue", host::continue_stream(host::REQUEST)).ok();
        done("the answer's own context", host::effective_context(0)).ok();
        got("answer to", host::property("plugin_root_id")).ok();
    }

    fn log(&mut self) {
        got("log of", host::property("plugin_root_id")).ok();
    }
}
