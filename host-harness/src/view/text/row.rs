//! One span as the cells of its row.

use std::time::Duration;

use super::printable;
use crate::{
    collect::{SpanRecord, Status},
    view::{Trace, duration},
};

/// Where a response's code is, newest name first.
const CODE_ATTRIBUTES: [&str; 3] =
    ["rpc.response.status_code", "rpc.status_code", "http.response.status_code"];

pub(super) struct Row {
    name: String,
    pub(super) service: String,
    kind: String,
    start: Duration,
    length: Duration,
    whole: Duration,
    overhead: Option<Duration>,
    status: String,
    pub(super) is_proxy: bool,
    pub(super) is_error: bool,
}

impl Row {
    /// In the order of the headings.
    pub(super) fn cells(&self) -> [String; 7] {
        [
            self.name.clone(),
            self.service.clone(),
            self.kind.clone(),
            duration(self.start),
            duration(self.length),
            self.overhead.map(|overhead| format!("+{}", duration(overhead))).unwrap_or_default(),
            self.status.clone(),
        ]
    }

    /// Empty and filled columns of a bar that is `columns` wide; at least one is filled.
    pub(super) fn bar(&self, columns: usize) -> (usize, usize) {
        let scale = |part: Duration| {
            let scaled = part.as_nanos().saturating_mul(columns as u128) / self.whole.as_nanos().max(1);
            usize::try_from(scaled).unwrap_or(columns).min(columns)
        };
        let before = scale(self.start).min(columns.saturating_sub(1));
        let filled = scale(self.start.saturating_add(self.length)).saturating_sub(before);
        (before, filled.max(1).min(columns))
    }
}

/// One row a span, in the order of the trace.
pub(super) fn rows(trace: &Trace) -> Vec<Row> {
    let passes = trace.passes();
    let prefixes = prefixes(trace);
    let rows = trace.nodes.iter().zip(prefixes).enumerate().map(|(at, (node, prefix))| {
        let span = &node.span;
        let orphan = if node.is_orphan { "⚠ " } else { "" };
        Row {
            name: format!("{prefix}{orphan}{}", printable(&span.name)),
            service: printable(&span.service),
            kind: kind(span),
            start: span.start.since(trace.start),
            length: span.end.since(span.start),
            whole: trace.duration(),
            overhead: passes.iter().find(|pass| pass.server == at).map(|pass| pass.overhead),
            status: status(span),
            is_proxy: span.is_proxy,
            is_error: matches!(span.status, Status::Error(_)),
        }
    });
    rows.collect()
}

fn kind(span: &SpanRecord) -> String {
    match (span.is_proxy, span.direction) {
        (true, Some(direction)) => format!("{} {}", direction.as_str(), span.kind.as_str()),
        (true, None) => format!("proxy {}", span.kind.as_str()),
        (false, _) => span.kind.as_str().to_owned(),
    }
}

fn status(span: &SpanRecord) -> String {
    let code = CODE_ATTRIBUTES.iter().find_map(|key| span.attribute(key)).map(printable).unwrap_or_default();
    match (&span.status, code.as_str()) {
        (Status::Error(_), _) => format!("error {code}").trim_end().to_owned(),
        (Status::Ok, "") => "ok".to_owned(),
        _ => code,
    }
}

/// The lines that lead from each span's parent to it, one column a level.
fn prefixes(trace: &Trace) -> Vec<String> {
    let mut open: Vec<bool> = Vec::new();
    let mut prefixes = Vec::with_capacity(trace.nodes.len());
    for (at, node) in trace.nodes.iter().enumerate() {
        let siblings = node.parent.and_then(|parent| trace.nodes.get(parent)).map(|parent| &parent.children);
        let is_last = siblings.is_none_or(|siblings| siblings.last() == Some(&at));
        // One entry for each level above: whether its line goes on below this row.
        open.truncate(node.depth.saturating_sub(1));
        let mut prefix: String = open.iter().map(|&goes_on| if goes_on { '│' } else { ' ' }).collect();
        if node.depth > 0 {
            prefix.push(if is_last { '└' } else { '├' });
            open.push(!is_last);
        }
        prefixes.push(prefix);
    }
    prefixes
}
