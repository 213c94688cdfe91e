//! Guests that hold traffic back, and what comes out of the proxy.

mod answers;
mod chunks;
mod failures;
mod guest;
mod holds;

use super::*;
use crate::vm::PluginOptions;
use guest::filter;

/// An exchange under way.
struct Rig {
    vm: Vm,
    flow: Flow,
}

impl Rig {
    /// A guest with these callbacks: a name without `proxy_on_` and WebAssembly text that leaves the action.
    fn new(callbacks: &[(&str, &str)]) -> Self {
        Self::with(
            callbacks,
            FlowOptions { buffer_limit_bytes: 16, ..FlowOptions::default() },
            PluginOptions::default(),
        )
    }

    fn with(callbacks: &[(&str, &str)], flow: FlowOptions, plugin: PluginOptions) -> Self {
        let mut vm = filter(callbacks).start(plugin).unwrap();
        let flow = Flow::open(&mut vm, flow).unwrap();
        Self { vm, flow }
    }

    fn head(&mut self, side: Side, end: bool) -> Vec<String> {
        let pairs = match side {
            Side::Request => [(":method", "POST"), (":path", "/")],
            Side::Response => [(":status", "200"), ("server", "up")],
        };
        self.head_of(side, &pairs, end)
    }

    fn head_of(&mut self, side: Side, pairs: &[(&str, &str)], end: bool) -> Vec<String> {
        self.flow.head(&mut self.vm, side, HeaderMap::from_pairs(pairs.iter().copied()), end).unwrap();
        self.settled()
    }

    fn data(&mut self, side: Side, bytes: &str, end: bool) -> Vec<String> {
        self.flow.data(&mut self.vm, side, bytes.into(), end).unwrap();
        self.settled()
    }

    fn trailers(&mut self, side: Side) -> Vec<String> {
        self.flow.trailers(&mut self.vm, side, HeaderMap::from_pairs([("t", "1")])).unwrap();
        self.settled()
    }

    /// Runs `proxy_on_tick`, which is where these guests change their minds.
    fn tick(&mut self) -> Vec<String> {
        self.vm.tick().unwrap();
        self.settled()
    }

    fn settled(&mut self) -> Vec<String> {
        assert_eq!(self.flow.settle(&mut self.vm).unwrap(), []);
        self.outputs()
    }

    /// What came out, shown: `>` is the request's side, `<` the response's, a full stop the end.
    fn outputs(&mut self) -> Vec<String> {
        self.flow.take_outputs().iter().map(shown_output).collect()
    }

    /// What the guest said it saw.
    fn seen(&mut self) -> Vec<String> {
        self.vm.take_logs().into_iter().map(|line| line.message).collect()
    }
}

fn shown_output(output: &Output) -> String {
    let arrow = |side: &Side| if *side == Side::Request { ">" } else { "<" };
    match output {
        Output::Forward { side, part, end } => {
            let part = match part {
                Part::Head(map) => {
                    let first = map.iter().next().map(|(_, value)| String::from_utf8_lossy(value));
                    format!("head {}", first.unwrap_or_default())
                }
                Part::Data(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
                Part::Trailers(map) => format!("trailers {}", map.len()),
            };
            format!("{} {part}{}", arrow(side), if *end { "." } else { "" })
        }
        Output::Answered { details } => format!("answered {}", String::from_utf8_lossy(details)),
        Output::Reset => "reset".to_owned(),
        Output::Stop(side) => format!("{} stop", arrow(side)),
        Output::Resume(side) => format!("{} resume", arrow(side)),
    }
}
