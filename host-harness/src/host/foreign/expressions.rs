//! `expr_create`, `expr_evaluate`, `expr_delete`: expressions of the Common Expression Language (CEL) over a stream's
//! attributes. What they mean is the crate `cel`'s; here is what Envoy has around them, and their bounds.
//!
//! `expr_create("request.method == 'GET'")` → token 0; `expr_evaluate(0)` → `[1]`
//! Source: Envoy's `source/extensions/common/wasm/foreign.cc`

mod attributes;
mod check;
mod encode;
mod functions;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::parser::Expression;
use cel::{Context, Value};

use super::super::{HostError, HostState};
use super::ForeignError;
use attributes::Attributes;
use check::Problem;
use functions::Patterns;
use work::Work;

pub use check::MAX_EXPRESSION_NODES;
pub use work::MAX_EXPRESSION_WORK;

/// Most bytes of an expression.
pub const MAX_EXPRESSION_BYTES: usize = 4096;
/// Most expressions that a plugin keeps.
pub const MAX_EXPRESSIONS: usize = 1024;
/// Room for the parser, which takes some 20 KiB for each parenthesis within another.
const PARSER_STACK: usize = 4 * 1024 * 1024;

/// The expressions of one plugin.
#[derive(Debug, Default)]
pub(in super::super) struct Expressions {
    known: BTreeMap<u32, Parsed>,
    next: u32,
}

#[derive(Debug)]
struct Parsed {
    text: String,
    expression: Expression,
    patterns: Patterns,
}

impl Expressions {
    /// The token of the next expression, from 0 upwards.
    fn token(&mut self) -> u32 {
        let token = std::iter::successors(Some(self.next), |token| Some(token.wrapping_add(1)))
            .find(|token| !self.known.contains_key(token))
            .unwrap_or_default();
        self.next = token.wrapping_add(1);
        token
    }

    /// Keeps an expression; returns its token.
    fn keep(&mut self, text: &str, expression: Expression) -> Result<u32, HostError> {
        if self.known.len() >= MAX_EXPRESSIONS {
            return Err(HostError::Full("expressions", MAX_EXPRESSIONS));
        }
        let token = self.token();
        let parsed = Parsed { text: text.to_owned(), expression, patterns: Patterns::default() };
        self.known.insert(token, parsed);
        Ok(token)
    }
}

impl HostState {
    pub(super) fn create_expression(&mut self, text: &[u8]) -> Result<Vec<u8>, HostError> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(HostError::Full("expression's bytes", MAX_EXPRESSION_BYTES));
        }
        let bad = |why: String| foreign("expr_create", ForeignError::BadArgument(why));
        let text =
            str::from_utf8(text).map_err(|error| bad(format!("the expression is no UTF-8: {error}")))?;
        let expression =
            parsed(text).map_err(|why| bad(format!("{text:?} is no expression of CEL: {why}")))?;
        let root = self.root_of(self.current);
        let expressions = &mut self.roots.get_mut(root).expressions;
        if let Err(problem) = check::check(&expression) {
            let why = format!("{text:?}: {problem}");
            return Err(match problem {
                Problem::Deep => bad(why),
                Problem::Unknown(_) => {
                    // As in Envoy, it has used up a token.
                    expressions.token();
                    bad(why)
                }
                Problem::Full(what, most) => HostError::Full(what, most),
                Problem::Nested => foreign("expr_create", ForeignError::Internal(why)),
            });
        }
        Ok(expressions.keep(text, expression)?.to_le_bytes().to_vec())
    }

    pub(super) fn evaluate_expression(&self, token: &[u8]) -> Result<Vec<u8>, HostError> {
        let token = number(token, "expr_evaluate")?;
        let root = self.roots.get(self.root_of(self.current));
        let parsed = root.expressions.known.get(&token).ok_or_else(|| {
            let why = format!("{token} is no token of expr_create's, or not any more");
            foreign("expr_evaluate", ForeignError::NotFound(why))
        })?;
        let failed = |why: String| HostError::Evaluation { expression: parsed.text.clone(), why };
        let work = Arc::new(Work::default());
        let attributes = Attributes::new(self, &work);
        let mut context = Context::with_env(functions::environment());
        functions::add_matches(&mut context, &parsed.patterns, &work)
            .map_err(|error| failed(error.to_string()))?;
        context.set_variable_resolver(&attributes);
        let value = Value::resolve_val(&parsed.expression, &context);
        if work.is_used_up() {
            return Err(HostError::Full("expression's work", MAX_EXPRESSION_WORK));
        }
        let value = value.map_err(|error| failed(error.to_string()))?;
        let mut out = Vec::new();
        encode::append(value.as_ref(), &mut out).map_err(|encode::NoBytes(kind)| {
            let why = format!("{:?} gives a {kind}, which Envoy does not serialize", parsed.text);
            foreign("expr_evaluate", ForeignError::Serialization(why))
        })?;
        Ok(out)
    }

    /// As in Envoy it does not matter whether there is such an expression.
    pub(super) fn delete_expression(&mut self, token: &[u8]) -> Result<Vec<u8>, HostError> {
        let token = number(token, "expr_delete")?;
        let root = self.root_of(self.current);
        self.roots.get_mut(root).expressions.known.remove(&token);
        Ok(Vec::new())
    }
}

/// Parses on a stack of its own, which is enough wherever the guest runs.
fn parsed(text: &str) -> Result<Expression, String> {
    let parse = || {
        let parser = functions::environment().parser().max_recursion_depth(check::DEPTH);
        // Each of many errors repeats the whole expression.
        parser.parse(text).map_err(|all| {
            let first = all.errors.first();
            first.map(|error| format!("{}:{}: {}", error.pos.0, error.pos.1, error.msg)).unwrap_or_default()
        })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parse);
        let thread = thread.map_err(|error| format!("no thread to parse it: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("the parser failed".to_owned()))
    })
}

fn number(token: &[u8], name: &str) -> Result<u32, HostError> {
    let bytes = token.try_into().map_err(|_| {
        let why = format!("a token has 4 bytes, not {}", token.len());
        foreign(name, ForeignError::BadArgument(why))
    })?;
    Ok(u32::from_le_bytes(bytes))
}

fn foreign(name: &str, why: ForeignError) -> HostError {
    HostError::Foreign { name: name.to_owned(), why }
}

#[cfg(test)]
mod tests;
