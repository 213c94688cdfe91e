//! Assertions, whose messages show what was found.
//!
//! Each panics where it does not hold.

use super::{Action, Callout, Exchange, Expected, Fate, Message, Side, TestHost};
use crate::collect::SpanRecord;
use crate::counted::counted;
use crate::host::{CallbackRecord, HeaderMap, HostcallRecord, MetricValue};
use crate::vm::{LogLevel, LogLine};

impl Exchange {
    /// It went to the upstream and back, and the filter neither answered, held, reset nor failed it.
    #[track_caller]
    pub fn assert_passed(&self) {
        let is_whole =
            |message: &Option<Message>| message.as_ref().is_some_and(|message| message.is_complete);
        let passed = is_whole(&self.request) && is_whole(&self.response) && self.answered.is_none();
        let passed = passed && !self.is_reset && self.held.is_none() && self.failure.is_none();
        assert!(passed, "the exchange did not pass\n{}", self.shown());
    }

    /// The filter answered the client itself, with this status.
    #[track_caller]
    pub fn assert_answered(&self, status: u16) {
        let is_so = self.answered.is_some() && self.failure.is_none() && self.status() == status;
        assert!(is_so, "the filter did not answer by a {status}\n{}", self.shown());
    }

    /// The filter failed, or was not there, and the client got a 503 or a reset.
    #[track_caller]
    pub fn assert_refused(&self) {
        let is_so =
            self.failure.is_some() && (self.is_reset || self.answered.is_some() && self.status() == 503);
        assert!(is_so, "the exchange was not refused\n{}", self.shown());
    }

    /// The filter failed, or was not there, and the exchange passed all the same.
    #[track_caller]
    pub fn assert_bypassed(&self) {
        let is_so = self.failure.is_some() && self.answered.is_none() && self.response.is_some();
        assert!(is_so, "the filter was not bypassed\n{}", self.shown());
    }

    /// The filter held this side and never let it go.
    #[track_caller]
    pub fn assert_held(&self, side: Side) {
        assert!(self.held == Some(side), "the filter does not hold the {side:?}\n{}", self.shown());
    }

    /// The exchange was reset.
    #[track_caller]
    pub fn assert_reset(&self) {
        assert!(self.is_reset, "the exchange was not reset\n{}", self.shown());
    }

    /// The client got this status.
    #[track_caller]
    pub fn assert_status(&self, status: u16) {
        assert!(self.status() == status, "the status is not {status}\n{}", self.shown());
    }

    /// The upstream got a header of that name whose value is as expected.
    #[track_caller]
    pub fn assert_request_header(&self, name: &str, expected: impl Expected) {
        assert_has(self.head(Side::Request), "the request's head", name, &expected);
    }

    /// The upstream got no header of that name.
    #[track_caller]
    pub fn assert_no_request_header(&self, name: &str) {
        assert_has_not(self.head(Side::Request), "the request's head", name);
    }

    /// The client got a header of that name whose value is as expected.
    #[track_caller]
    pub fn assert_response_header(&self, name: &str, expected: impl Expected) {
        assert_has(self.head(Side::Response), "the response's head", name, &expected);
    }

    /// The client got no header of that name.
    #[track_caller]
    pub fn assert_no_response_header(&self, name: &str) {
        assert_has_not(self.head(Side::Response), "the response's head", name);
    }

    /// The upstream got a trailer of that name whose value is as expected.
    #[track_caller]
    pub fn assert_request_trailer(&self, name: &str, expected: impl Expected) {
        assert_has(self.trailers(Side::Request), "the request's trailers", name, &expected);
    }

    /// The client got a trailer of that name whose value is as expected.
    #[track_caller]
    pub fn assert_response_trailer(&self, name: &str, expected: impl Expected) {
        assert_has(self.trailers(Side::Response), "the response's trailers", name, &expected);
    }

    /// The upstream got this body.
    #[track_caller]
    pub fn assert_request_body(&self, expected: impl Expected) {
        assert_body(self.message(Side::Request), "the request's body", &expected);
    }

    /// The client got this body.
    #[track_caller]
    pub fn assert_response_body(&self, expected: impl Expected) {
        assert_body(self.message(Side::Response), "the response's body", &expected);
    }

    /// A callback, by its name without `proxy_on_`, gave these actions, one each time that it was called.
    #[track_caller]
    pub fn assert_actions(&self, callback: &str, expected: &[Action]) {
        let name = format!("proxy_on_{callback}");
        let all = self.actions();
        let found: Vec<Action> =
            all.iter().filter(|(callback, _)| *callback == name).map(|(_, action)| *action).collect();
        assert!(found == expected, "{name} gave {found:?}, expected {expected:?}; all actions: {all:?}");
    }

    /// Something with this text was logged meanwhile, at this level.
    #[track_caller]
    pub fn assert_log(&self, level: LogLevel, text: &str) {
        assert_logged(&self.logs, level, text);
    }

    /// Calls were made to these clusters meanwhile, in this order.
    #[track_caller]
    pub fn assert_callouts(&self, clusters: &[&str]) {
        assert_called(&self.callouts, clusters);
    }

    /// No hostcall of the stream's callbacks broke a rule; that something was not found breaks none.
    #[track_caller]
    pub fn assert_nothing_refused(&self) {
        let mut refused = self.callbacks.clone();
        refused.iter_mut().for_each(|callback| callback.hostcalls.retain(HostcallRecord::is_refused));
        refused.retain(CallbackRecord::has_failures);
        let shown = || crate::view::transcript::lines(&refused, true);
        assert!(refused.is_empty(), "hostcalls were refused\n{}", shown());
    }

    fn head(&self, side: Side) -> Option<&HeaderMap> {
        self.message(side).map(|message| &message.head)
    }

    fn trailers(&self, side: Side) -> Option<&HeaderMap> {
        self.message(side).and_then(|message| message.trailers.as_ref())
    }

    /// All that a reader of a failed test wants to know.
    fn shown(&self) -> String {
        let mut out = String::new();
        for (what, message) in [("request", &self.request), ("response", &self.response)] {
            let text = message.as_ref().map_or_else(|| "never came".to_owned(), shown_message);
            out.push_str(&format!("  {what}: {text}\n"));
        }
        let rest = [
            ("answered", self.answered.clone()),
            ("reset", self.is_reset.then(|| "yes".to_owned())),
            ("held", self.held.map(|side| format!("{side:?}"))),
            ("failure", self.failure.clone()),
            ("actions", Some(format!("{:?}", self.actions()))),
        ];
        for (what, text) in rest.into_iter().filter_map(|(what, text)| Some((what, text?))) {
            out.push_str(&format!("  {what}: {text}\n"));
        }
        for line in &self.logs {
            out.push_str(&format!("  log: {}: {}\n", line.level, line.message));
        }
        out
    }
}

impl TestHost {
    /// A span of that name was exported for which the function says yes.
    #[track_caller]
    pub fn assert_span(&self, name: &str, is_it: impl Fn(&SpanRecord) -> bool) {
        let found = self.spans.iter().any(|span| span.name == name && is_it(span));
        let shown = || self.spans.iter().map(|span| format!("  {span:?}\n")).collect::<String>();
        assert!(found, "no such span {name:?} among the {} exported\n{}", self.spans.len(), shown());
    }

    /// So many spans were exported.
    #[track_caller]
    pub fn assert_spans(&self, count: usize) {
        let names: Vec<&str> = self.spans.iter().map(|span| span.name.as_str()).collect();
        let found = counted(names.len() as u64, "span");
        assert!(names.len() == count, "{found} exported, expected {count}: {names:?}");
    }

    /// A counter or a gauge has this value.
    #[track_caller]
    pub fn assert_metric(&self, name: &str, expected: u64) {
        let metrics = self.metrics();
        let is_so = matches!(metrics.get(name), Some(MetricValue::Counter(value) | MetricValue::Gauge(value)) if *value == expected);
        assert!(
            is_so,
            "the metric {name} is {:?}, expected {expected}; there are {metrics:?}",
            metrics.get(name)
        );
    }

    /// Something with this text was logged, at this level.
    #[track_caller]
    pub fn assert_log(&self, level: LogLevel, text: &str) {
        assert_logged(&self.logs, level, text);
    }

    /// Calls were made to these clusters, in this order.
    #[track_caller]
    pub fn assert_callouts(&self, clusters: &[&str]) {
        assert_called(&self.callouts, clusters);
    }

    /// The filter was given the answer to every call that waits for one.
    #[track_caller]
    pub fn assert_all_answered(&self) {
        let waiting: Vec<String> = self
            .callouts
            .iter()
            .filter(|callout| callout.fate != Fate::Answered)
            .map(Callout::shown)
            .collect();
        assert!(waiting.is_empty(), "calls without an answer: {waiting:?}");
    }
}

#[track_caller]
fn assert_has(map: Option<&HeaderMap>, what: &str, name: &str, expected: &impl Expected) {
    let found: Vec<String> = map.map(|map| values(map, name)).unwrap_or_default();
    let is_there = found.iter().any(|value| expected.accepts(value));
    let wanted = expected.describe();
    assert!(is_there, "{what} has {name}: {found:?}, expected {wanted}\n  {}", shown_map(map));
}

#[track_caller]
fn assert_has_not(map: Option<&HeaderMap>, what: &str, name: &str) {
    let found: Vec<String> = map.map(|map| values(map, name)).unwrap_or_default();
    assert!(found.is_empty(), "{what} has {name}: {found:?}, expected none\n  {}", shown_map(map));
}

#[track_caller]
fn assert_body(message: Option<&Message>, what: &str, expected: &impl Expected) {
    let found = message.map(|message| String::from_utf8_lossy(&message.body).into_owned());
    let is_so = found.as_ref().is_some_and(|found| expected.accepts(found));
    assert!(is_so, "{what} is {found:?}, expected {}", expected.describe());
}

#[track_caller]
fn assert_logged(logs: &[LogLine], level: LogLevel, text: &str) {
    let is_there = logs.iter().any(|line| line.level == level && line.message.contains(text));
    let lines =
        || logs.iter().map(|line| format!("  {}: {}\n", line.level, line.message)).collect::<String>();
    assert!(is_there, "no line at level {level} has {text:?}; logged was\n{}", lines());
}

#[track_caller]
fn assert_called(callouts: &[Callout], clusters: &[&str]) {
    let found: Vec<&str> = callouts.iter().map(|callout| callout.upstream.as_str()).collect();
    let shown = || callouts.iter().map(|callout| format!("  {}\n", callout.shown())).collect::<String>();
    assert!(found == clusters, "calls went to {found:?}, expected {clusters:?}\n{}", shown());
}

fn values(map: &HeaderMap, name: &str) -> Vec<String> {
    map.all(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

fn shown_map(map: Option<&HeaderMap>) -> String {
    let Some(map) = map else { return "it never came".to_owned() };
    let pairs = map.iter().map(|(name, value)| {
        format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

fn shown_message(message: &Message) -> String {
    let end = if message.is_complete { "" } else { ", not complete" };
    let length = counted(message.body.len() as u64, "byte");
    format!("{}; {length} of body{end}", shown_map(Some(&message.head)))
}
