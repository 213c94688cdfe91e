//! What the host offers to guests: every import that a filter may have, with its type.

use wasmtime::{Config, Engine, Extern, Linker, Store, ValType};

use super::VmError;
use crate::abi::{self, Limiter, VmData};
use crate::host::{AbiVersion, HostState, PluginOptions};

/// A function that a filter may import.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostFunction {
    /// `env`, `wasi_snapshot_preview1` or `wasi_unstable`.
    pub module: String,
    /// Such as `proxy_log`.
    pub name: String,
    /// In order.
    pub parameters: Vec<Number>,
    /// Whether it gives an `i32`.
    pub has_result: bool,
}

/// A parameter's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Number {
    /// `i32`
    I32,
    /// `i64`
    I64,
}

/// All functions that the host offers to guests of this version, by module and name.
///
/// # Errors
/// [`VmError::Engine`] if there can be no engine on this machine.
pub fn host_functions(version: AbiVersion) -> Result<Vec<HostFunction>, VmError> {
    let engine = |error: wasmtime::Error| VmError::Engine(format!("{error:#}"));
    let runtime = Engine::new(&Config::new()).map_err(engine)?;
    let mut linker = Linker::new(&runtime);
    abi::link(&mut linker, version).map_err(engine)?;
    let data = VmData::new(HostState::new(PluginOptions::default()), Limiter::new(0));
    let mut store = Store::new(&runtime, data);
    let linked: Vec<(String, String, Extern)> = linker
        .iter(&mut store)
        .map(|(module, name, external)| (module.to_owned(), name.to_owned(), external))
        .collect();
    let functions = linked.into_iter().filter_map(|(module, name, external)| {
        let kind = external.into_func()?.ty(&store);
        let number = |kind: ValType| if matches!(kind, ValType::I64) { Number::I64 } else { Number::I32 };
        let parameters = kind.params().map(number).collect();
        Some(HostFunction { module, name, parameters, has_result: kind.results().len() == 1 })
    });
    let mut functions: Vec<HostFunction> = functions.collect();
    functions.sort();
    Ok(functions)
}
