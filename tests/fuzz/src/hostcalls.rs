//! Any hostcall, with any arguments, from any callback: a status of the ABI or a trap of the guest, never one of
//! the host, and then the failure policy.
//!
//! The first byte chooses policy, profile, order and whether the VM is looked into, where every refusal must have
//! its reason, the second the number of steps that follow, one a byte; the
//! rest is the guest's script, see [`super::interpreter`].

use std::sync::LazyLock;
use std::time::Duration;

use meshspan::host::HostcallRecord;
use meshspan::time::Timestamp;
use meshspan::vm::{
    CallReply, FailurePolicy, Filter, Generation, HeaderMap, HostProfile, Lifecycle, Limits, OutboundCall,
    OutboundKind, Outcome, Plugin, PluginOptions, StreamId, Vm, VmError,
};

use super::interpreter::{UNDEFINED, wasm};

static FILTER: LazyLock<Filter> = LazyLock::new(|| {
    let limits = Limits { memory_bytes: 1 << 20, call_deadline: Duration::from_secs(10) };
    Filter::compile(&wasm(), limits).expect("the interpreter compiles")
});

/// See the module.
pub fn check(input: &[u8]) {
    drop(hostcalls(input));
}

/// The same; what the guest asked for, as far as the VM is looked into.
pub fn hostcalls(input: &[u8]) -> Vec<HostcallRecord> {
    let (flags, rest) = input.split_first().map_or((0, input), |(first, rest)| (*first, rest));
    let (count, rest) = rest.split_first().map_or((0, rest), |(first, rest)| (usize::from(*first), rest));
    let (steps, script) = rest.split_at(count.min(rest.len()));
    let policy = match flags & 3 {
        0 => FailurePolicy::FailOpen,
        1 => FailurePolicy::FailClosed,
        _ => FailurePolicy::RELOAD,
    };
    let options = PluginOptions {
        configuration: script.to_vec(),
        clusters: vec!["c".to_owned()],
        profile: if flags & 4 == 0 { HostProfile::Envoy } else { HostProfile::Nginx },
        instrumented: flags & 16 != 0,
        lifecycle: if flags & 8 == 0 { Lifecycle::Envoy } else { Lifecycle::Specification },
        ..PluginOptions::default()
    };
    match Plugin::start(&FILTER, options, policy) {
        Ok(plugin) => {
            Run { plugin, streams: Vec::new(), calls: Vec::new(), now: Timestamp::default() }.all(steps)
        }
        Err(error) => {
            assert_guests_fault(&error);
            Vec::new()
        }
    }
}

struct Run {
    plugin: Plugin,
    streams: Vec<(Generation, StreamId)>,
    calls: Vec<(Generation, OutboundCall)>,
    now: Timestamp,
}

impl Run {
    fn all(mut self, steps: &[u8]) -> Vec<HostcallRecord> {
        let mut hostcalls = Vec::new();
        for step in steps {
            self.step(*step);
            let generation = self.plugin.generation();
            self.calls.extend(self.plugin.take_calls().into_iter().map(|call| (generation, call)));
            self.plugin.vm_mut().take_stream_actions();
            self.plugin.vm_mut().take_logs();
            let transcript = self.plugin.vm_mut().take_transcript();
            for (callback, hostcall) in transcript.failures() {
                assert!(hostcall.why.is_some() || hostcall.result.is_none(), "{callback}: {hostcall:?}");
            }
            hostcalls.extend(transcript.callbacks.into_iter().flat_map(|callback| callback.hostcalls));
            if let Some(error) = self.plugin.failure() {
                assert_guests_fault(error);
            }
        }
        while self.plugin.enter(self.now, Vm::finish) == Some(false) {
            if self.calls.pop().is_none() {
                break;
            }
        }
        assert!(self.plugin.stats().lost <= 1 + self.plugin.stats().reloads, "a VM is lost once");
        hostcalls
    }

    fn step(&mut self, step: u8) {
        let end = step & 16 != 0;
        let head =
            || HeaderMap::from_pairs([(":method", "GET"), (":path", "/"), (":authority", "a"), ("x", "")]);
        match step % 12 {
            0 => match self.plugin.open(self.now) {
                Outcome::Filtered(stream) => self.streams.push(stream),
                outcome => self.assert_policy(&outcome.map(drop)),
            },
            1 => self.on(step, |vm, id| vm.request_headers(id, head(), end).map(drop)),
            2 => self.on(step, |vm, id| vm.request_body(id, vec![step; usize::from(step)], end).map(drop)),
            3 => self.on(step, |vm, id| vm.request_trailers(id, head()).map(drop)),
            4 => self.on(step, |vm, id| vm.response_headers(id, head(), end).map(drop)),
            5 => self.on(step, |vm, id| vm.response_body(id, vec![step; usize::from(step)], end).map(drop)),
            6 => self.on(step, |vm, id| vm.response_trailers(id, head()).map(drop)),
            7 => self.on(step, Vm::close_stream),
            8 => drop(self.plugin.enter(self.now, Vm::tick)),
            9 => self.answer(step),
            10 => self.now = self.now.plus(Duration::from_millis(u64::from(step) * 8)),
            _ => drop(self.plugin.enter(self.now, Vm::finish)),
        }
    }

    fn on(&mut self, step: u8, enter: impl FnOnce(&mut Vm, StreamId) -> Result<(), VmError>) {
        let which = usize::from(step >> 5).checked_rem(self.streams.len());
        let Some((generation, id)) = which.map(|which| self.streams[which]) else { return };
        match self.plugin.on(generation, self.now, |vm| enter(vm, id)) {
            Ok(Outcome::Filtered(())) => {}
            Ok(outcome) => self.assert_policy(&outcome),
            Err(error) => {
                assert!(matches!(error, VmError::UnknownStream(_) | VmError::BodyLimit(_)), "{error}")
            }
        }
    }

    fn assert_policy(&self, outcome: &Outcome<()>) {
        let is_open = self.plugin.policy() == FailurePolicy::FailOpen;
        assert_eq!(*outcome, if is_open { Outcome::Bypassed } else { Outcome::Refused });
        let has_ended = self.plugin.vm().roots().is_empty();
        assert!(self.plugin.stats().lost > 0 || has_ended, "nothing failed, and the plugin has not ended");
    }

    fn answer(&mut self, step: u8) {
        let Some((generation, call)) = self.calls.pop() else { return };
        let reply = match (&call.kind, step & 32) {
            (OutboundKind::Http { .. }, 0) => CallReply::HttpFailure,
            (OutboundKind::Http { .. }, _) => {
                let headers = HeaderMap::from_pairs([(":status", "200")]);
                CallReply::Http { headers, body: vec![step; 9], trailers: HeaderMap::new() }
            }
            (_, 0) => CallReply::GrpcFailure { status: step.into(), message: "m".to_owned() },
            (_, _) => CallReply::Grpc { message: vec![step; 9] },
        };
        self.plugin.answer(generation, self.now, call.token, reply);
    }
}

/// A guest may trap, run out of memory or be refused, always with a message; the host may not.
fn assert_guests_fault(error: &VmError) {
    let message = error.to_string();
    assert!(!message.contains(UNDEFINED), "a hostcall gave what is no status: {message}");
    assert!(message.starts_with("the filter "), "{message}");
}
