//! The summary's rows of sampling policies that were tried out, each beside what was kept.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::{number, rates, row};
use crate::view::summary::{PolicyKept, ServiceSpans, Summary};
use crate::view::units::bytes;

/// The rows of all of them.
pub(super) fn rows(summary: &Summary) -> Vec<String> {
    summary.policies.iter().flat_map(|policy| policy_rows(summary, policy)).collect()
}

fn policy_rows(summary: &Summary, kept: &PolicyKept) -> Vec<String> {
    let mut lines = vec![row("what if", &kept.policy)];
    let volume = kept.volume.as_ref().map(|volume| format!(": {}", rates(volume))).unwrap_or_default();
    let (passes, traces) =
        (share(kept.recorded_passes, summary.recorded_passes), share(kept.traces, summary.traces));
    lines.push(row("  recorded", format!("{passes} passes, {traces} traces")));
    lines.push(row("  spans", format!("{}{volume}", share(kept.spans.total, summary.spans.total))));
    let (now, then) = (&summary.spans.by_service, &kept.spans.by_service);
    let names: BTreeSet<&String> = now.keys().chain(then.keys()).collect();
    let widest = names.iter().map(|name| name.width()).max().unwrap_or_default();
    for (at, name) in names.into_iter().enumerate() {
        let space = " ".repeat(widest - name.width());
        let title = if at == 0 { "  by service" } else { "" };
        let nothing = ServiceSpans::default();
        let (now, then) = (now.get(name).unwrap_or(&nothing), then.get(name).unwrap_or(&nothing));
        lines.push(row(title, format!("{name}{space}  {}", service(then, now))));
    }
    lines
}

/// `3 of 12 spans  0.50 of 2.00 spans/s  40.0 B/s of 160 B/s`
fn service(then: &ServiceSpans, now: &ServiceSpans) -> String {
    let spans = |service: &ServiceSpans| service.proxy + service.application;
    let per_second = |service: &ServiceSpans| {
        (service.spans_per_second.unwrap_or_default(), service.bytes_per_second.unwrap_or_default())
    };
    let ((spans_then, bytes_then), (spans_now, bytes_now)) = (per_second(then), per_second(now));
    format!(
        "{:>6} of {:>6} spans  {:>6} of {:>6} spans/s  {:>9}/s of {:>9}/s",
        spans(then),
        spans(now),
        number(spans_then),
        number(spans_now),
        bytes(bytes_then),
        bytes(bytes_now)
    )
}

/// `3 of 12 (25.0%)`
fn share(then: u64, now: u64) -> String {
    if now == 0 {
        return format!("{then} of 0");
    }
    format!("{then} of {now} ({:.1}%)", 100.0 * then as f64 / now as f64)
}
