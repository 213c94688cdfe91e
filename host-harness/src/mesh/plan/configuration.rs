//! The plugin configuration of a service's sidecars.

use serde_json::{Map, Value};

use super::{FileError, value};

/// The file's, with the service's own over it and its name filled in.
pub(super) fn of(
    name: &str,
    common: &Map<String, Value>,
    own: &Map<String, Value>,
) -> Result<Map<String, Value>, FileError> {
    let mut plugin = common.clone();
    // Its own name, unless it says itself what it wants to be called.
    let named = serde_json::json!({"name": name});
    merge(&mut plugin, "service", &named);
    for (key, value) in own {
        merge(&mut plugin, key, value);
    }
    plugin.entry("version").or_insert_with(|| 1.into());
    for key in ["service", "export"] {
        let object = |plugin: &Map<String, Value>| plugin.get(key).is_none_or(Value::is_object);
        for (place, written) in [("plugin".to_owned(), common), (format!("services.{name}.plugin"), own)] {
            if !object(written) {
                let found = written.get(key).map(Value::to_string).unwrap_or_default();
                return Err(value(format!("{place}.{key}"), found, "an object"));
            }
        }
    }
    Ok(plugin)
}

/// Objects are merged, all else is replaced.
fn merge(into: &mut Map<String, Value>, key: &str, value: &Value) {
    match (into.get_mut(key), value) {
        (Some(Value::Object(known)), Value::Object(more)) => {
            for (key, value) in more {
                merge(known, key, value);
            }
        }
        _ => {
            into.insert(key.to_owned(), value.clone());
        }
    }
}
