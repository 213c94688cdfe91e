//! Numbers by name, as Prometheus reads them from a proxy: `/stats/prometheus` of Envoy and of Istio's
//! sidecar. Only names, labels and values; types, help, timestamps and exemplars are passed over.
//! Spec: <https://prometheus.io/docs/instrumenting/exposition_formats/>
//! `envoy_cluster_ssl_connection_error{envoy_cluster_name="otel"} 3` → 3

use std::collections::BTreeMap;

/// Some numbers, each with its name and labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(Vec<Sample>);

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// What a scrape says. A line that cannot be read is passed over: proxies write what they like.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(sample).collect())
    }

    /// Counters by name, without labels.
    pub fn from_counters(counters: &BTreeMap<String, u64>) -> Self {
        let sample = |(name, value): (&String, &u64)| Sample {
            name: name.clone(),
            labels: Vec::new(),
            value: *value as f64,
        };
        Self(counters.iter().map(sample).collect())
    }

    /// The sum over all labels of the metric with this name, whatever stands before it: Envoy puts
    /// `wasmcustom_` before a filter's. `None` if it is not there at all.
    pub fn sum(&self, name: &str) -> Option<u64> {
        self.sum_of(name, &[])
    }

    /// As [`sum`](Self::sum), of the samples that have all these labels.
    pub fn sum_of(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        let has = |sample: &Sample, (key, value): (&str, &str)| {
            sample.labels.iter().any(|(own, found)| own == key && found == value)
        };
        let found = self.0.iter().filter(|sample| sample.name.ends_with(name));
        let found = found.filter(|sample| labels.iter().all(|label| has(sample, *label)));
        found.map(|sample| sample.value.max(0.0) as u64).reduce(u64::saturating_add)
    }

    /// Whether a sample of this name has the label.
    pub fn is_labelled(&self, name: &str, label: &str) -> bool {
        let mut found = self.0.iter().filter(|sample| sample.name.ends_with(name));
        found.any(|sample| sample.labels.iter().any(|(own, _)| own == label))
    }
}

fn sample(line: &str) -> Option<Sample> {
    let line = line.trim_start();
    if line.starts_with('#') {
        return None;
    }
    let name_ends = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(name_ends);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// `a="1",b="2"} 3` → the pairs, and what follows the brace.
fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquote(quoted)?;
        labels.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// A label's value up to its closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_is_read_and_nonsense_passed_over() {
        let metrics = Metrics::parse(concat!(
            "# TYPE meshspan_spans_started counter\n",
            "wasmcustom_meshspan_spans_started{} 3\n",
            "meshspan_spans_started{worker=\"1\",} 4 1700000000000\n",
            "envoy_cluster_cx{envoy_cluster_name=\"a\\\"b\",x=\"}\"} 5\n",
            "queue 1.5e1\n",
            "broken{a=\"1\n",
            "alone\n",
            "word many\n",
        ));
        assert_eq!(metrics.sum("meshspan_spans_started"), Some(7), "over labels and prefixes");
        assert_eq!(metrics.sum_of("envoy_cluster_cx", &[("envoy_cluster_name", "a\"b")]), Some(5), "escaped");
        assert_eq!(metrics.sum_of("envoy_cluster_cx", &[("envoy_cluster_name", "b")]), None);
        assert_eq!(metrics.sum("queue"), Some(15));
        for absent in ["broken", "alone", "word", "missing"] {
            assert_eq!(metrics.sum(absent), None, "{absent}");
        }
    }
}
