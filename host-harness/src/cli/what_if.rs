//! `meshspan replay --what-if`: what another share of the traces, or another sampling policy, would keep.
//!
//! A ratio is counted beside the replay. A policy is tried out: the same traffic once more, through the real filter,
//! with the policy in the place of its configuration's `sampling`.

use std::path::PathBuf;

use meshspan::{
    replay::StreamOptions,
    view::tally::Tally,
    vm::{LogLevel, PluginOptions},
};
use serde_json::{Value, json};

use super::{
    args::ReplayArgs,
    error::CliError,
    recording::{Recording, check_comes_again},
    replay::{Owned, clusters, mesh, options, read_json},
    run::{Job, run},
    wasm::Wasm,
};

const ALLOWED: &str = "a ratio from 0 to 1, a sampling policy in JSON, or a file with one: what stands in a plugin's \
                       configuration at \"sampling\", such as {\"default\":{\"ratio\":0.1}}";

/// What is tried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WhatIf {
    Ratio(f64),
    Policy(Value),
    File(PathBuf),
}

/// A value of the argument.
pub(crate) fn parse(text: &str) -> Result<WhatIf, String> {
    if let Ok(ratio) = text.parse() {
        let is_ratio = (0.0..=1.0).contains(&ratio);
        return if is_ratio { Ok(WhatIf::Ratio(ratio)) } else { Err(format!("expected {ALLOWED}")) };
    }
    if text.trim_start().starts_with(['{', '[', '"']) {
        let policy = serde_json::from_str(text).map_err(|error| format!("{error}; expected {ALLOWED}"))?;
        return Ok(WhatIf::Policy(policy));
    }
    Ok(WhatIf::File(text.into()))
}

/// The shares of traces that were asked for.
pub(crate) fn ratios(asked: &[WhatIf]) -> Vec<f64> {
    let ratio = |what_if: &WhatIf| match what_if {
        WhatIf::Ratio(ratio) => Some(*ratio),
        WhatIf::Policy(_) | WhatIf::File(_) => None,
    };
    asked.iter().filter_map(ratio).collect()
}

/// The policies that were asked for, each one that the filter takes.
pub(crate) fn policies(args: &ReplayArgs, wasm: &Wasm) -> Result<Vec<Value>, CliError> {
    let mut policies = Vec::new();
    for what_if in &args.what_if {
        let (name, json) = match what_if {
            WhatIf::Ratio(_) => continue,
            WhatIf::Policy(policy) => (policy.to_string(), policy.clone()),
            WhatIf::File(path) => {
                let json =
                    read_json(path).map_err(|error| error.help(format!("--what-if takes {ALLOWED}")))?;
                (path.display().to_string(), json)
            }
        };
        // A whole configuration has its policy in it.
        let policy = json.get("sampling").cloned().unwrap_or(json);
        check(args, wasm, &policy).map_err(|problem| {
            CliError::bad_configuration(format!("--what-if {name}: {problem}"))
                .help(format!("--what-if takes {ALLOWED}"))
        })?;
        policies.push(policy);
    }
    if !policies.is_empty() {
        check_comes_again(args, "--what-if with a policy")?;
    }
    Ok(policies)
}

/// What the filter refuses, and what it warns of: a policy with a misspelt key would keep something else.
fn check(args: &ReplayArgs, wasm: &Wasm, policy: &Value) -> Result<(), String> {
    let filter = args.run.cache.filter(wasm).map_err(|error| error.message)?;
    let configuration = json!({ "sampling": policy }).to_string().into_bytes();
    let options = PluginOptions { configuration, clusters: clusters(None), ..PluginOptions::default() };
    let mut vm = filter.start(options).map_err(|error| error.to_string())?;
    let warning = vm.take_logs().into_iter().find(|line| line.level >= LogLevel::Warn);
    warning.map_or(Ok(()), |line| Err(line.message))
}

/// What each policy keeps of the traffic.
pub(crate) fn try_out(
    args: &ReplayArgs,
    wasm: &Wasm,
    policies: Vec<Value>,
    quiet: bool,
) -> Result<Vec<(Value, Tally)>, CliError> {
    let mut kept = Vec::new();
    for policy in policies {
        let mesh = with_sampling(mesh(args, args.config.as_ref())?, &policy);
        let (exchanges, _) = Recording::open(&args.files, &args.traffic)?.into_parts();
        let outcome = run(Job {
            wasm,
            mesh: mesh.borrow(),
            exchanges,
            total: None,
            // A pace changes nothing but how long it takes.
            options: StreamOptions { speed: None, ..options(args) },
            run: &args.run,
            shift: 0,
            rank: |_| (0, 0),
            what_if: &[],
            only_tally: true,
            keep: false,
            store: None,
            quiet,
        })?;
        outcome.judge()?;
        kept.push((policy, outcome.tally));
    }
    Ok(kept)
}

fn with_sampling(mesh: Owned, policy: &Value) -> Owned {
    match mesh {
        Owned::Topology(mut topology) => {
            set_sampling(&mut topology.plugin, policy);
            Owned::Topology(topology)
        }
        Owned::Proxy(mut proxy) => {
            let mut configuration = serde_json::from_slice(&proxy.configuration).unwrap_or_default();
            set_sampling(&mut configuration, policy);
            proxy.configuration = configuration.to_string().into_bytes();
            Owned::Proxy(proxy)
        }
    }
}

/// In an object, or where there is nothing; the filter refuses all else.
fn set_sampling(configuration: &mut Value, policy: &Value) {
    if configuration.is_null() {
        *configuration = json!({});
    }
    if let Some(keys) = configuration.as_object_mut() {
        keys.insert("sampling".to_owned(), policy.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_ratio_a_policy_or_a_file() {
        let policy = json!({"default": {"ratio": 0.1}});
        for (text, expected) in [
            ("0.1", WhatIf::Ratio(0.1)),
            ("1", WhatIf::Ratio(1.0)),
            (r#"{"default":{"ratio":0.1}}"#, WhatIf::Policy(policy.clone())),
            ("policy.json", WhatIf::File("policy.json".into())),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for (text, found) in [("1.5", "a ratio from 0 to 1"), ("NaN", "a ratio"), (r#"{"default""#, "EOF")] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(found) && error.contains("or a file with one"), "{text}: {error}");
        }
    }

    #[test]
    fn the_rest_of_a_configuration_stays() {
        for (before, after) in [
            (Value::Null, json!({"sampling": {}})),
            (json!({"start_traces": true}), json!({"start_traces": true, "sampling": {}})),
            (json!({"sampling": {"default": "parent"}}), json!({"sampling": {}})),
            (json!([]), json!([])),
        ] {
            let mut configuration = before;
            set_sampling(&mut configuration, &json!({}));
            assert_eq!(configuration, after);
        }
    }
}
