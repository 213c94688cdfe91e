//! The filter and its configuration, loaded from their files as often as they change.

use std::{path::Path, time::SystemTime};

use meshspan::{
    proxy::{Collector, Program},
    topology::COLLECTOR,
    vm::{Filter, PluginOptions, PropertyValue},
};
use serde_json::{Value, json};

use super::arguments::{Direction, ProxyArgs};
use crate::cli::{collector, error::CliError, wasm::Wasm};

/// Size and time of a file, which change with it.
type Stamp = Option<(u64, Option<SystemTime>)>;

/// Loads what a proxy runs.
pub(super) struct Loader<'a> {
    args: &'a ProxyArgs,
    /// Where the filter's spans go.
    pub(super) collector: Option<Collector>,
    /// The module of the last time, compiled.
    compiled: Option<(Wasm, Filter)>,
    stamps: [Stamp; 2],
}

impl<'a> Loader<'a> {
    pub(super) fn new(args: &'a ProxyArgs) -> Result<Self, CliError> {
        Ok(Self { args, collector: collector::of(&args.otlp)?, compiled: None, stamps: [None; 2] })
    }

    /// Reads the files. A module that has not changed is not compiled again.
    pub(super) fn load(&mut self) -> Result<Program, CliError> {
        self.stamps = self.look();
        let wasm = Wasm::read(self.args.filter.as_deref())?;
        let filter = match self.compiled.take() {
            Some((known, filter)) if known.bytes() == wasm.bytes() => filter,
            _ => self.args.cache.filter(&wasm)?,
        };
        self.compiled = Some((wasm, filter.clone()));
        let direction = match self.args.direction {
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        let listener_direction = vec!["xds".to_owned(), "listener_direction".to_owned()];
        let options = PluginOptions {
            configuration: self.configuration()?,
            environment: self.environment(),
            plugin_name: "meshspan".to_owned(),
            root_id: self.args.root_id.clone(),
            properties: vec![(listener_direction, PropertyValue::Int(direction))],
            ..PluginOptions::default()
        };
        Ok(Program { filter, options, policy: self.args.on_failure.into() })
    }

    /// Whether a file is another than when it was loaded.
    pub(super) fn has_changed(&self) -> bool {
        self.look() != self.stamps
    }

    /// The cluster that the configuration exports to.
    pub(super) fn exports_to(&self) -> Result<String, CliError> {
        let configuration: Value = serde_json::from_slice(&self.configuration()?).unwrap_or_default();
        let cluster = configuration.pointer("/export/cluster").and_then(Value::as_str);
        Ok(cluster.unwrap_or(COLLECTOR).to_owned())
    }

    /// The file's text; without one, the shortest that exports to the collector that was named.
    fn configuration(&self) -> Result<Vec<u8>, CliError> {
        match (&self.args.config, &self.collector) {
            (Some(path), _) => std::fs::read(path).map_err(|error| CliError::read(path, &error)),
            (None, Some(collector)) if self.args.filter.is_none() => {
                let export = json!({"cluster": COLLECTOR, "protocol": collector.protocol()});
                Ok(json!({"version": 1, "export": export}).to_string().into_bytes())
            }
            (None, _) => Ok(Vec::new()),
        }
    }

    /// What was given as such counts before what is known of the collector: of a name the first one does.
    fn environment(&self) -> Vec<(String, String)> {
        let given = self.args.environment.iter().cloned();
        given.chain(self.collector.iter().flat_map(Collector::environment)).collect()
    }

    fn look(&self) -> [Stamp; 2] {
        [stamp(self.args.filter.as_deref()), stamp(self.args.config.as_deref())]
    }
}

fn stamp(path: Option<&Path>) -> Stamp {
    let data = std::fs::metadata(path?).ok()?;
    Some((data.len(), data.modified().ok()))
}
