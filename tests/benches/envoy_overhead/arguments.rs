//! The options after `cargo bench … --`, as typed and as checked.

use crate::load::{LOADS, Load};
use crate::variant::{VARIANTS, Variant};

/// What `--help` prints.
pub(crate) const HELP: &str = "\
CPU time per request of a real Envoy, without tracing, with its own tracer and with Meshspan.

cargo bench -p meshspan-tests --bench envoy_overhead -- [OPTIONS]

  --rounds N     rounds that are measured, each visits every variant [30]
  --requests N   requests to a variant in a round, a multiple of 500; streamed bodies: a 50th [1000]
  --only NAME    only this load or variant, beside no tracing; may be repeated
                 loads: headers-8, headers-40, chunks-16, chunks-256
                 variants: native-100, native-100-tuned, native-1, native-1-tuned, nothing,
                 meshspan-100, meshspan-1, meshspan-0
  --wasm FILE    measure another build of the filter
  --quick        one small round without warm-up: shows that it runs, not what it costs
  --help         this text
";

/// Requests after which no variant keeps a span: at 1 % ten spans, two batches of the native tracer's five.
const WHOLE_BATCHES: usize = 500;

/// What the command line asks for.
pub(crate) enum Request {
    Help,
    Run(Arguments),
}

/// A run's size and choice.
pub(crate) struct Arguments {
    /// Rounds before those that are measured, for V8 to finish compiling.
    pub(crate) warmup_rounds: usize,
    pub(crate) rounds: usize,
    /// Small requests to one variant in one round.
    pub(crate) requests: usize,
    pub(crate) wasm: Vec<u8>,
    only: Vec<String>,
}

impl Arguments {
    /// Reads the options; the error says what was found and what is allowed.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
        let wasm = meshspan::filter_wasm().to_vec();
        let mut parsed = Arguments { warmup_rounds: 3, rounds: 30, requests: 1000, wasm, only: Vec::new() };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} has no value"));
            match word.as_str() {
                // Cargo's own, to programs that are no test harness.
                "--bench" => {}
                "--help" | "-h" => return Ok(Request::Help),
                "--quick" => {
                    parsed = Arguments { warmup_rounds: 0, rounds: 1, requests: WHOLE_BATCHES, ..parsed }
                }
                "--rounds" => parsed.rounds = number(&word, &value()?, 1)?,
                "--requests" => parsed.requests = number(&word, &value()?, WHOLE_BATCHES)?,
                "--only" => parsed.only.push(known(value()?)?),
                "--wasm" => {
                    let file = value()?;
                    parsed.wasm = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
                }
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        Ok(Request::Run(parsed))
    }

    /// The variants to run, the one without tracing first.
    pub(crate) fn variants(&self) -> Vec<Variant> {
        let all = || VARIANTS.iter().copied();
        let chosen = |variant: &Variant| self.only.iter().any(|name| name == variant.name);
        if all().any(|variant| chosen(&variant)) {
            all().take(1).chain(all().skip(1).filter(chosen)).collect()
        } else {
            all().collect()
        }
    }

    /// The loads to run.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let all = || LOADS.iter().copied();
        let chosen = |load: &Load| self.only.iter().any(|name| name == load.name);
        if all().any(|load| chosen(&load)) { all().filter(chosen).collect() } else { all().collect() }
    }
}

fn number(option: &str, text: &str, unit: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 && number % unit == 0 => Ok(number),
        _ => Err(format!("{option} is {text}, expected a positive multiple of {unit}")),
    }
}

fn known(name: String) -> Result<String, String> {
    let names = LOADS.iter().map(|load| load.name).chain(VARIANTS.iter().map(|variant| variant.name));
    let names: Vec<&str> = names.collect();
    if names.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("--only is {name}, expected one of {}", names.join(", ")))
    }
}
