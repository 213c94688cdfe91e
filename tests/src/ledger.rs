//! What was sent through a filter, to hold the spans against that came: of each request a SERVER and a CLIENT
//! span that are right, and none of anything else. What a situation's spans must tell is `situation`'s.

use std::collections::BTreeMap;

use crate::faulty_collector::Arrived;
use crate::situation::{Expected, Times, pass};
use crate::spans::SERVER;

/// Complaints that are shown at most.
const SHOWN: usize = 5;

/// A request whose spans are recorded; ids in lower-case hex.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method, which is what its spans are called.
    pub method: &'static str,
    /// Its trace, which no other request is of.
    pub trace_id: String,
    /// The span that it came from; empty where the filter began the trace.
    pub parent: String,
    /// The span that the application was told of.
    pub onward: String,
    /// `service.name` of its spans; none where several configurations were in force.
    pub service: Option<String>,
    /// The status that the client got.
    pub answered: u16,
    /// When it was sent and answered.
    pub times: Times,
}

/// All that was sent so far, by trace.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Sent>);

impl Ledger {
    /// Takes in one more.
    pub fn note(&mut self, sent: Sent) {
        let before = self.0.insert(sent.trace_id.clone(), sent);
        assert!(before.is_none(), "another request was of the same trace: {before:?}");
    }

    /// Asserts that the spans of every request came and are right.
    pub fn assert_whole(&self, arrived: &[Arrived]) {
        let mut came = self.by_trace(arrived);
        let spans = self.0.values().map(|sent| (sent, came.remove(&sent.trace_id).unwrap_or_default()));
        complain(spans.filter_map(|(sent, spans)| sent.check(&spans).err()));
    }

    /// Asserts that those spans that came are right.
    pub fn assert_part(&self, arrived: &[Arrived]) {
        let spans = self.by_trace(arrived).into_iter();
        complain(spans.filter_map(|(trace_id, spans)| {
            let sent = &self.0[&trace_id];
            if let [span] = spans[..] { sent.check_alone(span) } else { sent.check(&spans) }.err()
        }));
    }

    /// Each once, however often it came; panics where nothing was sent that a span could be of.
    fn by_trace<'a>(&self, arrived: &'a [Arrived]) -> BTreeMap<String, Vec<&'a Arrived>> {
        let mut traces = BTreeMap::<_, Vec<&Arrived>>::new();
        for one in arrived {
            let trace_id = hex::encode(&one.span.trace_id);
            assert!(self.0.contains_key(&trace_id), "a span of nothing that was sent: {one:?}");
            let spans = traces.entry(trace_id).or_default();
            if !spans.contains(&one) {
                spans.push(one);
            }
        }
        traces
    }
}

impl Sent {
    fn expected<T>(&self, check: impl FnOnce(&Expected<'_>) -> Result<T, String>) -> Result<T, String> {
        let passes = &[pass(self.method)];
        let answered = Some(self.answered);
        let checked = check(&Expected { passes, parent: &self.parent, answered, times: self.times });
        checked.map_err(|why| format!("{self:?}: {why}"))
    }

    /// Both spans.
    fn check(&self, arrived: &[&Arrived]) -> Result<(), String> {
        let spans: Vec<_> = arrived.iter().map(|one| one.span.clone()).collect();
        let clients = self.expected(|expected| expected.check(&spans))?;
        if clients != [self.onward.as_str()] {
            return Err(format!("{self:?}: the CLIENT span is {clients:?}"));
        }
        arrived.iter().try_for_each(|one| self.check_service(one))
    }

    /// One span, whose neighbour is lost.
    fn check_alone(&self, one: &Arrived) -> Result<(), String> {
        self.expected(|expected| expected.check_alone(&one.span))?;
        let (told, known) = if one.span.kind == i32::from(SERVER) {
            (&one.span.parent_span_id, &self.parent)
        } else {
            (&one.span.span_id, &self.onward)
        };
        if hex::encode(told) != *known {
            return Err(format!("{self:?}: the only span of it that came is {one:?}"));
        }
        self.check_service(one)
    }

    fn check_service(&self, one: &Arrived) -> Result<(), String> {
        let is_right = self.service.as_ref().is_none_or(|service| *service == one.service);
        is_right.then_some(()).ok_or_else(|| format!("{self:?}: a span is of {}", one.service))
    }
}

fn complain(complaints: impl Iterator<Item = String>) {
    let complaints: Vec<_> = complaints.collect();
    let shown = &complaints[..complaints.len().min(SHOWN)];
    assert!(shown.is_empty(), "{} requests have wrong spans:\n{}", complaints.len(), shown.join("\n"));
}
