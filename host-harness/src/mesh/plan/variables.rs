//! What a command finds in its environment: each variable given, with a possible name, and once.

use std::collections::BTreeSet;

use super::{FileError, value};
use crate::mesh::file::Service;

/// Checks a service's variables, and that one without a command has none.
pub(super) fn check(name: &str, service: &Service) -> Result<(), FileError> {
    if service.command.is_none() {
        return check_running(name, service);
    }
    let mut seen = BTreeSet::new();
    let mut take = |place: String, variable: &str| {
        if variable.is_empty() || variable.contains(['=', '\0']) {
            return Err(value(place, format!("{variable:?}"), "the name of an environment variable"));
        }
        if !seen.insert(variable.to_owned()) {
            return Err(value(place, format!("{variable:?} again"), "another variable for each thing"));
        }
        Ok(())
    };
    take(format!("services.{name}.port_variable"), of_port(service))?;
    for variable in service.environment.iter().flat_map(|environment| environment.keys()) {
        take(format!("services.{name}.environment"), variable)?;
    }
    for (callee, call) in &service.calls {
        let place = format!("services.{name}.calls.{callee}.variable");
        let Some(variable) = &call.variable else {
            return Err(value(place, "missing", "the variable that tells the command its sidecar's address"));
        };
        take(place, variable)?;
    }
    Ok(())
}

/// The variable that tells a command its port.
pub(super) fn of_port(service: &Service) -> &str {
    service.port_variable.as_deref().unwrap_or("PORT")
}

fn check_running(name: &str, service: &Service) -> Result<(), FileError> {
    let given = [
        ("directory", service.directory.is_some()),
        ("environment", service.environment.is_some()),
        ("port_variable", service.port_variable.is_some()),
    ];
    if let Some((key, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
        return Err(value(format!("services.{name}.{key}"), "given", "none without a command"));
    }
    for (callee, call) in &service.calls {
        let place = |key| format!("services.{name}.calls.{callee}.{key}");
        if call.variable.is_some() {
            return Err(value(place("variable"), "given", "none without a command"));
        }
        if call.port.is_none() {
            let expected = "a port: an application that runs already has to know where its sidecar listens";
            return Err(value(place("port"), "missing", expected));
        }
    }
    Ok(())
}
