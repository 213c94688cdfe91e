//! What tracing costs a real Envoy: CPU time per request with one worker, beside Envoy's own tracer.
//!
//! ```text
//! load ─▶ envoy of each variant in turn ─▶ application        all but the envoys in this process
//!               └─ OTLP/gRPC ─▶ sink: counts spans             a run without its spans fails
//! round: read CPU of all ─▶ load each ─▶ wait for the spans ─▶ read CPU of all
//! ```
//!
//! Every variant's window is the whole round, so that its exports count wherever they fall. What its Envoy uses
//! at rest, without requests, is taken off and reported by itself.
//! What is reported are medians of paired differences: a variant against no tracing in the same round.
//!
//! Where the time goes, by `perf record -g` of a worker (Envoy keeps frame pointers, V8 too) and by modules in place
//! of the filter: a filter without callbacks costs 4 to 7 µs, all six callbacks empty 11 to 18, of which V8 itself is
//! 3: the rest is that Envoy's own code finds the caches colder. A property is 0.9 to 1.5 µs, the header map 2.5, a
//! header written 1.5, the clock below 0.2; `expr_evaluate` with a list of ten attributes 17, more than ten properties.
//! Of 66 µs for a sampled request 20 are hostcalls, 11 the filter's code, 5 the kernel's for the export, and 25 are
//! Envoy's own code, which takes half as long again as without tracing, in all its parts alike. Smaller batches, which
//! a core's cache could hold, cost more, not less: 512 spans 59 µs, 128 65, 64 68, 32 73.
//! Binaryen's `wasm-opt -O3` on the artifact, each in four lives of Envoy in turn: 60.6 and 57.3 µs at 100 %, 23.4 and
//! 21.8 not sampled. That is within what processes differ by, and the build would have to compile Binaryen.
//! Processes differ by some µs for their whole life: start the benchmark more than once before a few µs count.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking, as a test does"
)]

mod application;
mod arguments;
mod connection;
mod load;
mod machine;
mod proxy;
mod report;
mod rounds;
mod sink;
mod variant;

use std::process::ExitCode;

use application::Application;
use arguments::{Arguments, HELP, Request};
use proxy::Proxy;
use sink::Sink;

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(Request::Run(arguments)) => {
            run(&arguments);
            ExitCode::SUCCESS
        }
        Ok(Request::Help) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("envoy_overhead: {message}; --help shows the options");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) {
    let (application, sink) = (Application::start(), Sink::start());
    print!("{}", machine::facts(arguments));
    let start = |variant: &_| Proxy::start(variant, &arguments.wasm, application.port(), sink.port());
    let mut proxies: Vec<Proxy> = arguments.variants().iter().map(start).collect();
    let measured = rounds::measure(&mut proxies, &sink, arguments);
    print!("{}", report::report(&measured));
}
