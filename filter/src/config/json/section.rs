//! One object of the configuration, from which keys are taken, each with its type; what is left over is
//! warned of.

use std::ops::RangeInclusive;

use super::number::Number;
use super::value::Value;
use super::{kind, one_of, refuse, strings};
use crate::config::sorted::SortedMap;
use crate::config::{ConfigError, Environment, Warning};

/// One JSON object, from which keys are taken.
pub(super) struct Section<'a, 'e> {
    pub(super) path: String,
    pub(super) map: SortedMap<Value>,
    pub(super) known: Vec<&'static str>,
    pub(super) env: &'a Environment<'e>,
    pub(super) warnings: &'a mut Vec<Warning>,
}

impl Section<'_, '_> {
    /// The full name of `key`.
    pub(super) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes `key` out; `null` counts as absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.map.remove(key).filter(|value| *value != Value::Null)
    }

    /// Reads the object `key` by `read`, and warns of what that leaves over.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        read: &mut dyn FnMut(&mut Section<'_, '_>) -> Result<(), Box<ConfigError>>,
    ) -> Result<(), Box<ConfigError>> {
        let path = self.name(key);
        let map = match self.take(key) {
            Some(Value::Object(map)) => map,
            Some(other) => return Err(refuse(&path, &other, "an object")),
            None => return Ok(()),
        };
        let mut section = Section { path, map, known: Vec::new(), env: self.env, warnings: self.warnings };
        read(&mut section)?;
        section.finish();
        Ok(())
    }

    /// Reads each object in the list `key` by `read`, and warns of what that leaves over. The list
    /// is one of what is called `[all, one]`.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        [all, one]: [&str; 2],
        read: &mut dyn FnMut(&mut Section<'_, '_>) -> Result<(), Box<ConfigError>>,
    ) -> Result<(), Box<ConfigError>> {
        let path = self.name(key);
        let values = match self.take(key) {
            Some(Value::Array(values)) => values,
            Some(other) => return Err(refuse(&path, &other, &format!("a list of {all}"))),
            None => return Ok(()),
        };
        for (i, value) in values.into_iter().enumerate() {
            let path = format!("{path}[{i}]");
            let Value::Object(map) = value else { return Err(refuse(&path, &value, one)) };
            let known = Vec::new();
            let mut section = Section { path, map, known, env: self.env, warnings: self.warnings };
            read(&mut section)?;
            section.finish();
        }
        Ok(())
    }

    pub(super) fn text(&mut self, key: &'static str, into: &mut String) -> Result<(), Box<ConfigError>> {
        match self.take(key) {
            Some(Value::String(text)) => *into = text,
            Some(other) => return Err(self.refuse(key, &other, "a string")),
            None => {}
        }
        Ok(())
    }

    /// Reads a list of what is called `[all, one]`.
    pub(super) fn strings(
        &mut self,
        key: &'static str,
        kind: [&str; 2],
        into: &mut Vec<String>,
    ) -> Result<(), Box<ConfigError>> {
        if let Some(list) = self.take(key) {
            *into = strings(&self.name(key), list, kind)?;
        }
        Ok(())
    }

    pub(super) fn maybe_text(&mut self, key: &'static str) -> Result<Option<String>, Box<ConfigError>> {
        match self.take(key) {
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.refuse(key, &other, "a string")),
            None => Ok(None),
        }
    }

    /// Reads a string in which `${NAME}` stands for a variable.
    pub(super) fn template(
        &mut self,
        key: &'static str,
        into: &mut Option<String>,
    ) -> Result<(), Box<ConfigError>> {
        if let Some(value) = self.take(key) {
            let path = self.name(key);
            *into = Some(self.expand(&path, value)?);
        }
        Ok(())
    }

    /// Reads an object whose values are such strings over `into`.
    pub(super) fn templates(
        &mut self,
        key: &'static str,
        into: &mut SortedMap<String>,
    ) -> Result<(), Box<ConfigError>> {
        let path = self.name(key);
        match self.take(key) {
            Some(Value::Object(map)) => {
                for (name, value) in map {
                    let value = self.expand(&format!("{path}.{name}"), value)?;
                    into.insert(name, value);
                }
                Ok(())
            }
            Some(other) => Err(refuse(&path, &Value::from(kind(&other)), "an object of strings")),
            None => Ok(()),
        }
    }

    pub(super) fn expand(&mut self, path: &str, value: Value) -> Result<String, Box<ConfigError>> {
        match value {
            Value::String(text) => Ok(self.env.expand(&text, path, self.warnings)),
            other => Err(refuse(path, &Value::from(kind(&other)), "a string")),
        }
    }

    pub(super) fn boolean(&mut self, key: &'static str, into: &mut bool) -> Result<(), Box<ConfigError>> {
        match self.take(key) {
            Some(Value::Bool(value)) => *into = value,
            Some(other) => return Err(self.refuse(key, &other, "true or false, without quotes")),
            None => {}
        }
        Ok(())
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        into: &mut u64,
    ) -> Result<(), Box<ConfigError>> {
        let Some(value) = self.take(key) else { return Ok(()) };
        match value.as_number().and_then(Number::as_u64).filter(|number| range.contains(number)) {
            Some(number) => *into = number,
            None => {
                let expected = format!("a whole number in {}..={}", range.start(), range.end());
                return Err(self.refuse(key, &value, &expected));
            }
        }
        Ok(())
    }

    /// A number that need not be whole. Its range comes with its text: the code that writes such
    /// numbers is large.
    pub(super) fn share(
        &mut self,
        key: &'static str,
        (range, shown): (RangeInclusive<f64>, &str),
    ) -> Result<Option<f64>, Box<ConfigError>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.as_number().map(Number::as_f64).filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refuse(key, &value, shown)),
        }
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        into: &mut T,
    ) -> Result<(), Box<ConfigError>> {
        self.choice_or(key, choices, "", into)
    }

    /// Reads one of `choices`; `or` says what else there is, for the error.
    pub(super) fn choice_or<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        or: &str,
        into: &mut T,
    ) -> Result<(), Box<ConfigError>> {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        if let Some((_, choice)) = self.position(key, &names, or)?.and_then(|i| choices.get(i)) {
            *into = *choice;
        }
        Ok(())
    }

    /// Which of `names` the value is.
    pub(super) fn position(
        &mut self,
        key: &'static str,
        names: &[&str],
        or: &str,
    ) -> Result<Option<usize>, Box<ConfigError>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let position = names.iter().position(|name| value.as_str() == Some(name));
        if position.is_none() {
            return Err(self.refuse(key, &value, &format!("{}{or}", one_of(names))));
        }
        Ok(position)
    }

    /// The error for `value`, which is that of `key`.
    #[cold]
    pub(super) fn refuse(&self, key: &str, value: &Value, expected: &str) -> Box<ConfigError> {
        refuse(&self.name(key), value, expected)
    }

    /// Warns of every key that nobody took.
    pub(super) fn finish(self) {
        for (key, _) in self.map.iter() {
            let path = self.name(key);
            let distance = |known: &&str| strsim::osa_distance(known, key);
            let nearest = self.known.iter().copied().min_by_key(distance);
            let hint = match nearest.filter(|known| distance(known) <= 1 + known.len() / 3) {
                Some(known) => format!("did you mean {}?", self.name(known)),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.warnings.push(Warning::UnknownKey { path, hint });
        }
    }
}
