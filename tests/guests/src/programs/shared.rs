//! Shared data with compare-and-swap, shared queues and their callback, ticks, the clock.

use crate::host;
use crate::program::{Action, Program, Root, exchange};
use crate::transcript::{done, got, tell};

/// Queues are found by the id of the VM that registered them: the plugin's name, as the tests give it.
const VM: &str = "shared";

#[derive(Default)]
pub(crate) struct Shared {
    ticks: usize,
}

impl Root for Shared {
    fn stream(&mut self) -> Box<dyn Program> {
        Box::<SharedStream>::default()
    }

    fn configure(&mut self) {
        done("register", host::register_queue("queue")).ok();
        done("tick", host::tick_period(10)).ok();
    }

    fn tick(&mut self) {
        self.ticks += 1;
        if self.ticks == 1 {
            tell("first tick");
        }
    }

    fn queue_ready(&mut self, queue: u32) {
        got("from the queue", host::dequeue(queue)).ok();
        got("from the empty queue", host::dequeue(queue)).ok();
    }
}

#[derive(Default)]
struct SharedStream {
    last_time: u64,
}

impl SharedStream {
    /// Time never goes back; what it is differs from host to host.
    fn clock(&mut self) -> Action {
        let now = host::now().unwrap_or_default();
        tell(if now >= self.last_time { "time goes on" } else { "time goes back" });
        self.last_time = now;
        Action::Continue
    }
}

impl Program for SharedStream {
    fn request_headers(&mut self, _end: bool) -> Action {
        let exchange = exchange();
        let key = format!("key {exchange}");
        got("get absent", host::shared(&key).map(|(value, _)| value)).ok();
        done("set new with a cas", host::set_shared(&key, b"first", 77)).ok();
        let first = host::shared(&key);
        got("get", first.clone().map(|(value, _)| value)).ok();
        let cas = first.map_or(0, |(_, cas)| cas);
        tell(if cas == 0 { "cas is 0" } else { "cas is not 0" });
        done("set with it", host::set_shared(&key, b"second", cas)).ok();
        done("set with it again", host::set_shared(&key, b"third", cas)).ok();
        done("set without", host::set_shared(&key, b"", 0)).ok();
        got("get empty", host::shared(&key).map(|(value, _)| value)).ok();
        done("empty key", host::set_shared("", b"value of no key", 0)).ok();
        got("get empty key", host::shared("").map(|(value, _)| value)).ok();

        let same = host::register_queue("queue");
        done("register again", same).ok();
        let found = host::resolve_queue(VM, "queue");
        tell(if found == same { "the same queue" } else { "another queue" });
        done("resolve unknown", host::resolve_queue(VM, "no queue")).ok();
        done("resolve elsewhere", host::resolve_queue("no vm", "queue")).ok();
        done("enqueue unknown", host::enqueue(9999, b"lost")).ok();
        done("dequeue unknown", host::dequeue(9999)).ok();
        if let Ok(queue) = found {
            done("enqueue", host::enqueue(queue, b"one")).ok();
            done("enqueue", host::enqueue(queue, b"")).ok();
            got("dequeue", host::dequeue(queue)).ok();
            got("dequeue", host::dequeue(queue)).ok();
            got("dequeue", host::dequeue(queue)).ok();
        }
        self.clock()
    }

    fn response_headers(&mut self, _end: bool) -> Action {
        self.clock()
    }

    fn log(&mut self) {
        self.clock();
    }
}
