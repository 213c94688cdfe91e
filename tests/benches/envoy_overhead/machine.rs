//! Where and with what a run was made.

use std::process::Command;

use meshspan_tests::tools;

use crate::arguments::Arguments;
use crate::load::STREAMED_WEIGHT;
use crate::proxy::CONNECTIONS;

/// The facts that a figure is worth nothing without.
pub(crate) fn facts(arguments: &Arguments) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "machine  {}, {cores} cores, Linux {}, load average {} at the start\n\
         envoy    {}, one worker\n\
         filter   {} bytes\n\
         run      {} rounds after {} for warming up, {} requests to each variant in each (streamed: {}), \
         {CONNECTIONS} connections\n",
        cpu_model(),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/proc/loadavg").split(' ').next().unwrap_or_default(),
        envoy_version(),
        arguments.wasm.len(),
        arguments.rounds,
        arguments.warmup_rounds,
        arguments.requests,
        arguments.requests / STREAMED_WEIGHT,
    )
}

fn cpu_model() -> String {
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown CPU", |(_, model)| model).to_owned()
}

/// `1.40.0` of `…/envoy  version: 0123…/1.40.0/Clean/RELEASE/BoringSSL`.
fn envoy_version() -> String {
    let output = Command::new(tools::envoy()).arg("--version").output().expect("envoy runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split('/').rev().nth(3).unwrap_or_else(|| panic!("no version: {text}")).to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}
