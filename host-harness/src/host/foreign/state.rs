//! Foreign functions that act on the VM's state, and the call of any of them.

use prost::Message;

use super::super::{HostError, HostState};
use super::{ForeignError, ForeignFunctions};

/// Most properties that a guest may declare.
pub const MAX_DECLARED: usize = 1024;

/// `envoy.source.extensions.common.wasm.SetEnvoyFilterStateArguments`, without the life span: a stream's.
#[derive(Clone, PartialEq, Message)]
struct SetFilterState {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `envoy.source.extensions.common.wasm.DeclarePropertyArguments`, as far as it counts here: values are bytes.
#[derive(Clone, PartialEq, Message)]
struct DeclareProperty {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "4")]
    readonly: bool,
}

impl HostState {
    /// Runs a foreign function.
    pub fn call_foreign(&mut self, name: &[u8], arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        let name = String::from_utf8_lossy(name);
        let called = self.foreign.call(&name, arguments);
        if let Some(result) = called {
            return result.map_err(|why| HostError::Foreign { name: name.into_owned(), why });
        }
        match &*name {
            "expr_create" => return self.create_expression(arguments),
            "expr_evaluate" => return self.evaluate_expression(arguments),
            "expr_delete" => return self.delete_expression(arguments),
            "set_envoy_filter_state" => self.set_filter_state(arguments),
            "declare_property" => self.declare_property(arguments),
            _ => return Err(ForeignFunctions::unknown(&name)),
        }
        .map_err(|error| match error {
            Problem::Host(error) => error,
            Problem::Function(why) => HostError::Foreign { name: name.into_owned(), why },
        })
    }

    fn set_filter_state(&mut self, arguments: &[u8]) -> Result<Vec<u8>, Problem> {
        let SetFilterState { path, value } = decoded(arguments)?;
        // Envoy has a type of its own for each of its keys, and none for others.
        if !path.starts_with("envoy.") {
            return Err(Problem::Function(ForeignError::NotFound(format!("{path:?} is no key of Envoy's"))));
        }
        self.set_guest_property(format!("filter_state\0{path}").as_bytes(), value.as_bytes())?;
        Ok(Vec::new())
    }

    fn declare_property(&mut self, arguments: &[u8]) -> Result<Vec<u8>, Problem> {
        let DeclareProperty { name, readonly } = decoded(arguments)?;
        if self.declared.len() >= MAX_DECLARED {
            return Err(HostError::Full("declared properties", MAX_DECLARED).into());
        }
        if self.declared.contains_key(name.as_bytes()) {
            let why = format!("{name:?} is declared already");
            return Err(Problem::Function(ForeignError::BadArgument(why)));
        }
        self.declared.insert(name.into_bytes(), readonly);
        Ok(Vec::new())
    }
}

enum Problem {
    Host(HostError),
    Function(ForeignError),
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        Self::Host(error)
    }
}

fn decoded<M: Message + Default>(arguments: &[u8]) -> Result<M, Problem> {
    M::decode(arguments).map_err(|error| Problem::Function(ForeignError::BadArgument(error.to_string())))
}
