//! What a mesh looks like when it runs, and what it has done when it ends.

use meshspan::mesh::{Drained, Plan, Side, Sidecars};

use crate::cli::proxy::summary;

const HEAD: [&str; 4] = ["service", "application", "inbound", "outbound"];

/// Where everything listens: a line for each service, and one more for each further call.
pub(super) fn addresses(plan: &Plan, sidecars: &Sidecars) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    let shown = |service: &str, side: &Side| {
        sidecars.address(service, side).map(|address| address.to_string()).unwrap_or_default()
    };
    for (name, workload) in &plan.workloads {
        let application = sidecars.application(name).map(ToString::to_string).unwrap_or_default();
        let mut outbound = workload
            .calls
            .keys()
            .map(|callee| format!("{callee} {}", shown(name, &Side::Outbound(callee.clone()))));
        let first = outbound.next().unwrap_or_default();
        rows.push([name.clone(), application, shown(name, &Side::Inbound), first]);
        rows.extend(outbound.map(|call| [String::new(), String::new(), String::new(), call]));
    }
    let entry = shown(&plan.entry, &Side::Inbound);
    format!("{}Entry: http://{entry}, {}\n", lines(&rows), plan.entry)
}

/// What the sidecars did, a line each.
pub(super) fn done(drained: &[Drained]) -> String {
    let mut text = String::new();
    for ended in drained {
        let line = summary::line(&ended.drained.stats);
        text.push_str(&format!("{}, {}: {line}\n", ended.service, ended.side));
    }
    text
}

fn lines(rows: &[[String; 4]]) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
