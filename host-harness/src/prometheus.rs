//! Numbers as Prometheus reads them. Whose they are is their owners' affair.
//! Spec: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
//! `meshspan_receiver_spans_total{outcome="stored"} 12`

use std::fmt::{Display, Write};

/// The format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text so far, and the family that is written.
#[derive(Debug, Default)]
pub struct Text {
    text: String,
    name: String,
}

impl Text {
    /// Begins a family of samples; `kind` is `counter`, `gauge` or `histogram`, and `help` may be empty.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        name.clone_into(&mut self.name);
        // Writing to a string does not fail.
        if !help.is_empty() {
            let _ = writeln!(self.text, "# HELP {name} {help}");
        }
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// A sample of the family.
    pub fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample("", labels, value);
    }

    /// A sample whose name is the family's with `suffix` behind it, as those of histograms are.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.name);
    }

    /// All that was written.
    pub fn finish(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

/// `name` with each sign that Prometheus does not have made `_`: it has letters, digits, `_` and `:`, and no digit at
/// the start.
pub fn metric_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let name: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.family("spans_total", "counter", "Spans.");
        text.value(&[("reason", "a \"b\"\\\n"), ("x", "y")], 3);
        text.family("took_seconds", "histogram", "");
        text.sample("_sum", &[], 0.5);
        let expected = "# HELP spans_total Spans.\n# TYPE spans_total counter\n\
                        spans_total{reason=\"a \\\"b\\\"\\\\\\n\",x=\"y\"} 3\n\
                        # TYPE took_seconds histogram\ntook_seconds_sum 0.5\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn names_are_what_prometheus_allows() {
        for (name, expected) in [("a_b:c9", "a_b:c9"), ("a.b-c é", "a_b_c__"), ("9a", "_9a")] {
            assert_eq!(metric_name(name), expected);
        }
    }
}
