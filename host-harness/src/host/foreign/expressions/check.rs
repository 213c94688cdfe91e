//! What an expression may consist of: functions that Envoy has, and not more than the host bears.

use cel::common::ast::{EntryExpr, Expr};
use cel::parser::Expression;

use super::functions::is_known;

/// Most operations, names and values of an expression, those that a macro is expanded to included.
pub const MAX_EXPRESSION_NODES: usize = 512;
/// How many of them Envoy takes within each other.
pub(super) const DEPTH: u16 = 32;

/// Why an expression is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// What Envoy's parser refuses, too.
    #[error("more than {DEPTH} operations stand within each other")]
    Deep,
    /// What Envoy's interpreter refuses, too.
    #[error("{0}")]
    Unknown(String),
    #[error("more than {1} {0}")]
    Full(&'static str, usize),
    #[error(
        "all, exists, exists_one, map and filter cannot stand within each other, or run over each other's result, in this host"
    )]
    Nested,
}

/// Refuses what Envoy does, and what could cost the host much.
pub(super) fn check(expression: &Expression) -> Result<(), Problem> {
    // Part, how deep it stands, whether within a macro over a list or a map.
    let mut open = vec![(expression, 0, false)];
    let mut nodes = 0;
    while let Some((part, depth, in_macro)) = open.pop() {
        nodes += 1;
        if nodes > MAX_EXPRESSION_NODES {
            return Err(Problem::Full("expression's parts", MAX_EXPRESSION_NODES));
        }
        if depth >= DEPTH {
            return Err(Problem::Deep);
        }
        let is_macro = matches!(part.expr, Expr::Comprehension(_));
        if is_macro && in_macro {
            return Err(Problem::Nested);
        }
        open.extend(parts(&part.expr)?.into_iter().map(|part| (part, depth + 1, in_macro || is_macro)));
    }
    Ok(())
}

/// The parts that an expression is made of.
fn parts(expression: &Expr) -> Result<Vec<&Expression>, Problem> {
    Ok(match expression {
        Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => {
            if !is_known(&call.func_name, call.target.is_some(), call.args.len()) {
                let count = call.args.len();
                let name = &call.func_name;
                return Err(Problem::Unknown(format!(
                    "there is no function {name} that takes {count} arguments"
                )));
            }
            call.target.as_deref().into_iter().chain(&call.args).collect()
        }
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => {
            let mut parts = Vec::new();
            for entry in &map.entries {
                let EntryExpr::MapEntry(entry) = &entry.expr else { return Err(messages()) };
                parts.extend([&entry.key, &entry.value]);
            }
            parts
        }
        Expr::Comprehension(all) => {
            vec![&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
        }
        Expr::Struct(_) | Expr::Unspecified => return Err(messages()),
    })
}

fn messages() -> Problem {
    Problem::Unknown("there are no messages to make".to_owned())
}
