//! The guests in the harness, given what Envoy's connection manager and codecs gave theirs.

use std::collections::BTreeMap;
use std::time::Duration;

use meshspan::flow::{Flow, FlowOptions, Output, Side};
use meshspan::host::{PluginOptions, PropertyValue};
use meshspan::time::Timestamp;
use meshspan::vm::{Filter, Limits, Vm, VmError};

use crate::situation::Protocol;

use super::{Event, PROGRAMS, Part, Pass, Transcripts, oracle, wasm};

/// As in `guests-listener.yaml`.
const BUFFER_LIMIT_BYTES: usize = 16_384;
/// Over HTTP/2 a stream's window counts instead, Envoy's default.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;

const START: Timestamp = Timestamp::from_unix_nanos(1_795_323_600_000_000_000);

/// A VM for each program.
#[derive(Debug)]
pub struct Ours {
    vms: BTreeMap<&'static str, Vm>,
}

impl Ours {
    /// Starts them.
    pub fn start() -> Ours {
        Ours::of(&PROGRAMS)
    }

    /// Starts some.
    pub fn of(programs: &[&'static str]) -> Ours {
        let filter = Filter::compile(&wasm(), Limits::default()).expect("the guests compile");
        let start = |program: &'static str| {
            let options = PluginOptions {
                configuration: program.into(),
                plugin_name: program.to_owned(),
                root_id: program.to_owned(),
                vm_id: program.to_owned(),
                clusters: vec!["oracle".to_owned(), "refused".to_owned()],
                properties: surroundings(),
                start: START,
                ..PluginOptions::default()
            };
            (program, filter.start(options).expect("the program starts"))
        };
        Ours { vms: programs.iter().copied().map(start).collect() }
    }

    /// Starts the tracing filter.
    pub(super) fn tracing(configuration: &str) -> Ours {
        let filter =
            Filter::compile(meshspan::filter_wasm(), Limits::default()).expect("the filter compiles");
        let options = PluginOptions {
            configuration: configuration.into(),
            clusters: vec!["otel_collector".to_owned()],
            properties: surroundings(),
            start: START,
            ..PluginOptions::default()
        };
        Ours { vms: BTreeMap::from([("meshspan", filter.start(options).expect("the filter starts"))]) }
    }

    pub(super) fn vm(&mut self, program: &str) -> &mut Vm {
        self.vms.get_mut(program).expect("a program of ours")
    }

    /// What comes of an exchange that went into Envoy's guest as `real` says.
    pub fn play(&mut self, program: &str, protocol: Protocol, real: &Pass) -> Pass {
        let vm = self.vm(program);
        vm.take_logs();
        let mut pass = Pass::default();
        if let Err(error) = play(vm, protocol, real, &mut pass) {
            pass.guest.push(format!("the VM failed: {error}"));
        }
        let mut transcripts = Transcripts::default();
        for line in vm.take_logs() {
            transcripts.line(program, &line.message);
        }
        pass.guest.extend(transcripts.of(program).into_values().flatten());
        pass
    }
}

fn play(vm: &mut Vm, protocol: Protocol, real: &Pass, pass: &mut Pass) -> Result<(), VmError> {
    // The pieces are Envoy's own: none has to be made for the end.
    let buffer_limit_bytes = if protocol == Protocol::Http2 { WINDOW_BYTES } else { BUFFER_LIMIT_BYTES };
    let options = FlowOptions { buffer_limit_bytes, is_downstream_http2: true, is_upstream_http2: true };
    let mut flow = Flow::open(vm, options)?;
    let name = if protocol == Protocol::Http2 { "HTTP/2" } else { "HTTP/1.1" };
    vm.set_property(flow.stream(), &["request", "protocol"], PropertyValue::Bytes(name.into()));
    let mut answered = false;
    for (side, inputs) in [(Side::Request, &real.before), (Side::Response, &real.after)] {
        if side == Side::Response {
            set(vm, &flow, connected());
        }
        let mut stopped = false;
        for event in inputs.iter().filter(|event| event.side == side) {
            // The end of a body of known length is seen with its last byte, however full the buffer is.
            if stopped && event.part != Part::Data(Vec::new()) {
                answered |= answer_calls(vm, &mut flow, side, pass)?.answered;
            }
            match event.part.clone() {
                Part::Head(head) => flow.head(vm, side, head, event.end)?,
                Part::Data(data) => flow.data(vm, side, data, event.end)?,
                Part::Trailers(trailers) => flow.trailers(vm, side, trailers)?,
            }
            flow.settle(vm)?;
            let done = collect(&mut flow, side, pass);
            (stopped, answered) = (done.stopped, answered | done.answered);
            if side == Side::Request && !pass.after.is_empty() {
                set(vm, &flow, chosen());
            }
        }
        // A call that nothing waits for is answered when the rest of the exchange is long over.
        let is_sent = pass.after.last().is_some_and(|event| event.end);
        if side == Side::Request && !is_sent || side == Side::Response && !flow.is_done() {
            answered |= answer_calls(vm, &mut flow, side, pass)?.answered;
        }
        if answered {
            break;
        }
    }
    vm.set_property(
        flow.stream(),
        &["request", "duration"],
        PropertyValue::Duration(Duration::from_millis(1)),
    );
    flow.close(vm)?;
    for call in vm.take_calls() {
        for reply in oracle::replies(&call) {
            vm.answer(call.token, reply)?;
        }
    }
    Ok(())
}

/// What came out, beside what goes on.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    /// The guest answered the exchange itself.
    pub(super) answered: bool,
    /// Nothing more is to be read for now.
    stopped: bool,
}

/// Answers what the guest has asked for.
fn answer_calls(vm: &mut Vm, flow: &mut Flow, side: Side, pass: &mut Pass) -> Result<Done, VmError> {
    let mut done = Done::default();
    loop {
        let calls = vm.take_calls();
        if calls.is_empty() {
            return Ok(done);
        }
        for call in calls {
            for reply in oracle::replies(&call) {
                vm.answer(call.token, reply)?;
                flow.settle(vm)?;
                done.answered |= collect(flow, side, pass).answered;
            }
        }
    }
}

/// Takes what came out. Envoy sends an answer that takes a response's place past the other filters: the
/// watching guest does not see it.
pub(super) fn collect(flow: &mut Flow, during: Side, pass: &mut Pass) -> Done {
    let mut done = Done::default();
    for output in flow.take_outputs() {
        match output {
            Output::Forward { side: Side::Request, part, end } => {
                pass.after.push(Event { side: Side::Request, part, end });
            }
            Output::Forward { side, part, end } => {
                match &part {
                    Part::Head(head) => pass.client.status = head.first(":status").map(<[u8]>::to_vec),
                    Part::Data(data) => pass.client.body.extend(data),
                    Part::Trailers(_) => {}
                }
                if !(done.answered && during == Side::Response) {
                    pass.before.push(Event { side, part, end });
                }
            }
            Output::Answered { .. } => done.answered = true,
            Output::Stop(_) => done.stopped = true,
            Output::Resume(_) => done.stopped = false,
            Output::Reset => {}
        }
    }
    done
}

type Properties<const N: usize> = [([&'static str; 2], PropertyValue); N];

/// What Envoy knows once the request's head has gone on.
fn chosen() -> Properties<4> {
    [
        (["upstream", "address"], text("127.0.0.1:8080")),
        (["upstream", "locality"], text("")),
        (["upstream", "port"], PropertyValue::Int(8080)),
        (["upstream", "transport_failure_reason"], text("")),
    ]
}

/// What it knows at the latest when the response comes.
fn connected() -> Properties<3> {
    [
        (["response", "code_details"], text("via_upstream")),
        (["upstream", "cx_pool_ready_duration"], PropertyValue::Duration(Duration::from_millis(1))),
        (["upstream", "local_address"], text("127.0.0.1:4321")),
    ]
}

fn set<const N: usize>(vm: &mut Vm, flow: &Flow, properties: Properties<N>) {
    for (path, value) in properties {
        vm.set_property(flow.stream(), &path, value);
    }
}

pub(super) fn text(text: &str) -> PropertyValue {
    PropertyValue::Bytes(text.into())
}

/// What `guests.yaml` and `guests-listener.yaml` say of the proxy, as properties.
fn surroundings() -> Vec<(Vec<String>, PropertyValue)> {
    let table = [
        ("connection.id", PropertyValue::Uint(1)),
        ("connection.mtls", PropertyValue::Bool(false)),
        ("connection.requested_server_name", text("")),
        ("destination.address", text("127.0.0.1:1234")),
        ("destination.port", PropertyValue::Int(1234)),
        ("metadata", text("")),
        ("request.size", PropertyValue::Int(0)),
        ("request.time", PropertyValue::Timestamp(START)),
        ("request.total_size", PropertyValue::Int(0)),
        ("response.flags", PropertyValue::Int(0)),
        ("response.size", PropertyValue::Int(0)),
        ("response.total_size", PropertyValue::Int(0)),
        ("source.address", text("127.0.0.1:5678")),
        ("source.port", PropertyValue::Int(5678)),
        ("upstream.request_attempt_count", PropertyValue::Uint(1)),
        ("xds.cluster_metadata", text("")),
        ("xds.cluster_name", text("app")),
        ("xds.filter_chain_name", text("chain")),
        ("xds.listener_direction", PropertyValue::Int(1)),
        ("xds.listener_metadata", text("")),
        ("xds.node.cluster", text("cluster-1")),
        ("xds.node.id", text("node-1")),
        ("xds.route_metadata", text("")),
        ("xds.route_name", text("all")),
        ("xds.virtual_host_metadata", text("")),
        ("xds.virtual_host_name", text("everything")),
    ];
    table.map(|(path, value)| (path.split('.').map(str::to_owned).collect(), value)).to_vec()
}
