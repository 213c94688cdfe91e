//! `sampling` as it is written.

#[cfg(not(target_arch = "wasm32"))]
use crate::config::schema;
use crate::config::sorted::SortedMap;

/// Which traces are recorded.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
pub struct RawSampling {
    /// Decides where no rule matches and the caller has not decided: for new traces and for B3 without
    /// a sampling state. What the caller decided holds. Where W3C goes onward, a new trace that is
    /// recorded tells its threshold: `ot=th:…` in `tracestate`, `th:0` where all are. Every span says
    /// in `sampling.rule` who decided: the rule's name or else its place (`rules[2]`), `default`, or
    /// `parent` for the caller.
    pub default: RawDecision,
    /// Decisions about some requests, in order: the first that matches counts. At most 100.
    pub rules: Vec<RawRule>,
    /// Whether requests that failed are exported though their trace is not sampled: those of which a
    /// span has the status Error. Their spans say `sampling.local: true`, have no sampled flag and
    /// usually no family, for what goes onward is still that the trace is not sampled. Not kept are
    /// requests of no trace, and those that a rule drops or defers.
    pub keep_errors: bool,
    /// As `keep_errors`, requests that lasted longer, in milliseconds.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1, max = 3_600_000)))]
    pub keep_slower_than_ms: Option<u64>,
}

impl Default for RawSampling {
    fn default() -> Self {
        Self {
            default: RawDecision::Parent,
            rules: Vec::new(),
            keep_errors: false,
            keep_slower_than_ms: None,
        }
    }
}

/// A decision about traces.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(not(target_arch = "wasm32"), serde(rename_all = "snake_case"))]
pub enum RawDecision {
    /// As the caller decided; record if it did not. As OpenTelemetry's `parentbased_always_on`.
    Parent,
    /// Record.
    Always,
    /// Do not record, and tell the next hop that the trace is not sampled.
    Drop,
    /// Do not record, and say nothing: headers go onward as they came, so that applications may decide.
    Defer,
    /// Record this share of traces, chosen by their ids as OpenTelemetry's consistent probability
    /// sampling says, so that all proxies choose alike. 0 means none.
    Ratio(#[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 0.0, max = 1.0)))] f64),
    /// Record at most so many traces a second in each of the proxy's threads, after a pause as many at
    /// once. They tell no threshold, since nobody knows how probable they were. 0 means none.
    PerSecond(#[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 0.0, max = 1_000_000.0)))] f64),
}

/// A decision about some requests.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema))]
pub struct RawRule {
    /// What spans call the rule in `sampling.rule`; else that is its place, such as `rules[2]`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(default, length(min = 1, max = 64)))]
    pub name: Option<String>,
    /// The requests that the rule is for: all conditions given have to hold. Without any it is for all.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(default))]
    pub r#match: RawMatch,
    /// What becomes of them. Where the caller has decided, a rule without `override` changes nothing
    /// for others: `drop` and `defer` then mean that there are no spans here and that headers go onward
    /// as they came, so that the trace stays whole without this proxy, and the other decisions do not
    /// count.
    pub decision: RawDecision,
    /// Whether the decision counts also where the caller has decided: `drop` ends a sampled trace here,
    /// `always` records one that is not sampled, both for all that comes next. Only B3's debug flag
    /// stays above it.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(default))]
    pub r#override: bool,
}

/// Conditions of a request.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), schemars(default))]
pub struct RawMatch {
    /// The whole path, without query: `/healthz`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(regex(pattern = "^/")))]
    pub path: Option<String>,
    /// How the path begins: `/static/`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(regex(pattern = "^/")))]
    pub path_prefix: Option<String>,
    /// The whole path with variable segments: `/users/{id}`.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(regex(pattern = "^/")))]
    pub path_template: Option<String>,
    /// The host without port, in any case; `*` stands for anything: `api.*`.
    pub host: Option<String>,
    /// One method, or a list of which one has to fit, in any case.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(schema_with = "schema::methods"))]
    pub method: RawMethods,
    /// Headers by name. A text has to be one of the header's values, with `*` for anything; `true`
    /// asks that the header is there, `false` that it is not.
    pub headers: SortedMap<RawHeaderMatch>,
    /// The name of the proxy's route (`xds.route_name`); `*` stands for anything.
    pub route: Option<String>,
    /// Which way the request goes: as `direction` says, else as the proxy's listener does.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(schema_with = "schema::directions"))]
    pub direction: Option<RawMatchDirection>,
}

/// One or several methods.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize), serde(untagged))]
pub enum RawMethods {
    /// This one.
    One(String),
    /// One of these; empty is any.
    Several(Vec<String>),
}

impl Default for RawMethods {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// What is asked of a header.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize, schemars::JsonSchema), serde(untagged))]
pub enum RawHeaderMatch {
    /// A value, with `*` for anything.
    Value(String),
    /// Whether it is there.
    IsThere(bool),
}

/// One of two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum RawMatchDirection {
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
}
