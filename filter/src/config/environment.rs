//! OpenTelemetry's environment variables, as far as they mean anything inside a proxy.
//! What is wrong in them is warned of and ignored; an empty one counts as unset.
//! Spec: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use std::ops::RangeInclusive;

use super::Warning;
use super::check::format_by_name;
use super::json::decimal;
use super::raw::{RawConfig, RawDecision, RawProtocol, range};
use super::sorted::SortedMap;
use crate::attributes::url::percent_decode;

/// The environment of the VM.
#[derive(Clone, Copy, Debug)]
pub(super) struct Environment<'e>(&'e [(String, String)]);

impl<'e> Environment<'e> {
    /// The environment of these names and values.
    pub(super) fn new(variables: &'e [(String, String)]) -> Self {
        Self(variables)
    }

    /// The variable `name`, unless it is empty.
    pub(super) fn find(&self, name: &str) -> Option<&'e str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set, with its value.
    fn find_first<'n>(&self, names: [&'n str; 2]) -> Option<(&'n str, &'e str)> {
        names.into_iter().find_map(|name| Some((name, self.find(name)?)))
    }

    /// Whether `OTEL_SDK_DISABLED` is `true`.
    pub(super) fn is_disabled(&self) -> bool {
        self.find("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Replaces every `${NAME}` in `text`, the value of `path`, by that variable; one that is not
    /// set is warned of and leaves nothing.
    pub(super) fn expand(&self, text: &str, path: &str, warnings: &mut Vec<Warning>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, tail)) = after.split_once('}') else { break };
            out.push_str(before);
            match self.find(name) {
                Some(value) => out.push_str(value),
                None => warnings.push(ignored(
                    path,
                    format!("names the environment variable {name}, which is not set: empty is used"),
                )),
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }

    /// Reads the variables over `raw`.
    pub(super) fn apply(&self, raw: &mut RawConfig, warnings: &mut Vec<Warning>) {
        if self.find("OTEL_CONFIG_FILE").is_some() {
            warnings
                .push(ignored("OTEL_CONFIG_FILE", "is not supported: the plugin has no files".to_owned()));
        }
        if let Some(list) = self.find("OTEL_RESOURCE_ATTRIBUTES") {
            raw.set_resource(pairs("OTEL_RESOURCE_ATTRIBUTES", list, warnings));
        }
        if let Some(name) = self.find("OTEL_SERVICE_NAME") {
            raw.service.name = Some(name.to_owned());
        }
        self.propagators(raw, warnings);
        self.sampler(raw, warnings);
        self.exporter(raw, warnings);
        let export = &mut raw.export;
        self.number(["OTEL_BSP_SCHEDULE_DELAY"; 2], range::DELAY_MS, &mut export.max_delay_ms, warnings);
        self.number(
            ["OTEL_BSP_MAX_QUEUE_SIZE"; 2],
            range::QUEUE_SPANS,
            &mut export.max_queue_spans,
            warnings,
        );
        let batch = ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"; 2];
        self.number(batch, range::BATCH_SPANS, &mut export.max_batch_spans, warnings);
        let spans = &mut raw.spans;
        let count = ["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"];
        self.number(count, range::ATTRIBUTES, &mut spans.max_attributes, warnings);
        let length = ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
        self.number(length, range::ATTRIBUTE_LENGTH, &mut spans.max_attribute_length, warnings);
        let timeout = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        self.number(timeout, range::TIMEOUT_MS, &mut export.timeout_ms, warnings);
    }

    /// `OTEL_PROPAGATORS`; `baggage` needs nothing, since it always passes untouched.
    fn propagators(&self, raw: &mut RawConfig, warnings: &mut Vec<Warning>) {
        const NAME: &str = "OTEL_PROPAGATORS";
        let Some(list) = self.find(NAME) else { return };
        let mut extract: Vec<String> = Vec::new();
        for name in list.split(',').map(str::trim).filter(|name| !matches!(*name, "baggage" | "none" | "")) {
            if format_by_name(name).is_none() {
                warnings.push(ignored(NAME, format!("names {name}, which is not supported and ignored")));
            } else if !extract.iter().any(|known| known == name) {
                extract.push(name.to_owned());
            }
        }
        raw.propagation.extract = extract;
    }

    /// `OTEL_TRACES_SAMPLER`; the ones that would override the caller are parent-based here.
    fn sampler(&self, raw: &mut RawConfig, warnings: &mut Vec<Warning>) {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let Some(sampler) = self.find(NAME) else { return };
        let (decision, parent_based) = match sampler {
            "parentbased_always_on" => (RawDecision::Always, true),
            "parentbased_always_off" => (RawDecision::Drop, true),
            "parentbased_traceidratio" => (self.ratio(warnings), true),
            "always_on" => (RawDecision::Always, false),
            "always_off" => (RawDecision::Drop, false),
            "traceidratio" => (self.ratio(warnings), false),
            other => {
                warnings.push(ignored(NAME, format!("is {other}, which is not supported and ignored")));
                return;
            }
        };
        raw.sampling.default = decision;
        if !parent_based {
            let problem =
                format!("is {sampler}, but what the caller decided holds: as parentbased_{sampler}");
            warnings.push(ignored(NAME, problem));
        }
    }

    fn ratio(&self, warnings: &mut Vec<Warning>) -> RawDecision {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(text) = self.find(NAME) else { return RawDecision::Ratio(1.0) };
        match decimal(text).filter(|ratio| (0.0..=1.0).contains(ratio)) {
            Some(ratio) => RawDecision::Ratio(ratio),
            None => {
                warnings.push(ignored(NAME, format!("is {text}, expected 0.0..=1.0: 1.0 is used")));
                RawDecision::Ratio(1.0)
            }
        }
    }

    /// `OTEL_EXPORTER_OTLP_*`. The endpoint's host means nothing here, since a cluster decides where
    /// spans go; it becomes the authority, and its path the path.
    fn exporter(&self, raw: &mut RawConfig, warnings: &mut Vec<Warning>) {
        let export = &mut raw.export;
        let protocol = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        match self.find_first(protocol) {
            Some((_, "grpc")) => export.protocol = RawProtocol::Grpc,
            Some((_, "http/protobuf")) => export.protocol = RawProtocol::Http,
            Some((name, other)) => {
                let problem = format!("is {other}, expected grpc or http/protobuf: it is ignored");
                warnings.push(ignored(name, problem));
            }
            None => {}
        }
        let headers = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
        if let Some((name, list)) = self.find_first(headers) {
            export.headers = pairs(name, list, warnings);
        }
        let endpoints = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if let Some((name, endpoint)) = self.find_first(endpoints) {
            let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            export.authority = Some(authority.to_owned()).filter(|authority| !authority.is_empty());
            let base = path.trim_end_matches('/');
            export.path = match base {
                _ if name.contains("TRACES") => format!("/{path}"),
                "" => "/v1/traces".to_owned(),
                base => format!("/{base}/v1/traces"),
            };
        }
    }

    fn number(
        &self,
        names: [&str; 2],
        range: RangeInclusive<u64>,
        into: &mut u64,
        warnings: &mut Vec<Warning>,
    ) {
        let Some((name, text)) = self.find_first(names) else { return };
        match text.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => *into = number,
            None => {
                let (from, to) = range.into_inner();
                let problem = format!("is {text}, expected a whole number in {from}..={to}: {into} is used");
                warnings.push(ignored(name, problem));
            }
        }
    }
}

fn ignored(name: &str, problem: String) -> Warning {
    Warning::Ignored { name: name.to_owned(), problem }
}

/// Reads `k=v,k2=v2` with percent-encoded values.
fn pairs(name: &str, list: &str, warnings: &mut Vec<Warning>) -> SortedMap<String> {
    let mut out = SortedMap::new();
    for pair in list.split(',').filter(|pair| !pair.trim().is_empty()) {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                let value = percent_decode(value.trim().as_bytes());
                out.insert(key.trim().to_owned(), String::from_utf8_lossy(&value).into_owned());
            }
            _ => warnings.push(ignored(name, "has a member that is no key=value: it is ignored".to_owned())),
        }
    }
    out
}
