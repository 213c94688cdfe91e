//! What one end of an exchange saw, in order and to the byte.

use std::fmt;

use super::recorded::NUMBER;

/// Names and values of a head or of trailers, in order. Over HTTP/1 names are as on the wire and the start line
/// has the empty name; over HTTP/2 pseudo-headers come first.
pub type Fields = Vec<(String, Vec<u8>)>;

/// Fields whose values differ from run to run; that they are there, and where, does not.
const VARYING: [&str; 2] = ["date", "x-envoy-upstream-service-time"];
/// The field that the filter is there to change; Envoy puts a changed one last.
const TRACE: &str = "traceparent";

/// One thing that an end saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A head, interim ones too.
    Head(Fields),
    /// Body up to the next event; how it was cut into pieces is no matter of the message.
    Data(Vec<u8>),
    /// Trailers.
    Trailers(Fields),
    /// The message's orderly end.
    End,
    /// The connection's orderly end.
    Closed,
    /// The end of the stream or the connection otherwise, with HTTP/2's reason.
    Reset(String),
    /// Nothing, for too long, where a script wanted something.
    Stuck(String),
}

/// All that one end saw of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(Vec<Event>);

impl FromIterator<Event> for Seen {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Seen {
        Seen(events.into_iter().collect())
    }
}

impl Seen {
    pub(super) fn push(&mut self, event: Event) {
        match (self.0.last_mut(), event) {
            (Some(Event::Data(before)), Event::Data(more)) => before.extend(more),
            (_, event) => self.0.push(event),
        }
    }

    /// Everything, in order.
    pub fn events(&self) -> &[Event] {
        &self.0
    }

    /// Which recorded exchange a request is of.
    pub fn exchange(&self) -> Option<usize> {
        let Some(Event::Head(head)) = self.0.first() else { return None };
        let (_, value) = head.iter().find(|(name, _)| name == NUMBER)?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }

    /// Whether a message came to its end.
    pub fn is_whole(&self) -> bool {
        self.0.contains(&Event::End)
    }

    /// Bytes of body so far.
    pub(super) fn data_bytes(&self) -> usize {
        let lengths = self.0.iter().map(|event| if let Event::Data(data) = event { data.len() } else { 0 });
        lengths.sum()
    }

    /// Whether the last message came to its end.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.0.last(), Some(Event::End))
    }

    /// Whether the other end broke off.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.0.last(), Some(Event::Reset(_)))
    }

    /// Whether a script waited for something that did not come.
    pub fn is_stuck(&self) -> bool {
        matches!(self.0.last(), Some(Event::Stuck(_)))
    }

    /// The status of the last head; none where there was no response.
    pub fn status(&self) -> Option<u16> {
        let mut last_first = self.0.iter().rev();
        let head = last_first.find_map(|event| if let Event::Head(head) = event { Some(head) } else { None });
        let (name, value) = head?.first()?;
        let text = std::str::from_utf8(value).ok()?;
        let status = if name.is_empty() { text.split(' ').nth(1)? } else { text };
        status.parse().ok()
    }

    /// The body, all of it that came.
    pub fn body(&self) -> Vec<u8> {
        let data =
            self.0.iter().filter_map(|event| if let Event::Data(data) = event { Some(data) } else { None });
        data.flatten().copied().collect()
    }

    /// The `traceparent` headers of the first head.
    pub fn traceparents(&self) -> Vec<String> {
        let Some(Event::Head(head)) = self.0.first() else { return Vec::new() };
        let values = head.iter().filter(|(name, _)| name.eq_ignore_ascii_case(TRACE));
        values.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The same with other bodies.
    pub fn mapped(&self, change: impl Fn(&[u8]) -> Vec<u8>) -> Seen {
        let mut seen = self.clone();
        for event in &mut seen.0 {
            if let Event::Data(data) = event {
                *data = change(data);
            }
        }
        seen
    }

    /// The same without the trace's header and without what differs from run to run.
    pub fn constant(&self) -> Seen {
        let mut seen = self.clone();
        for event in &mut seen.0 {
            let (Event::Head(fields) | Event::Trailers(fields)) = event else { continue };
            fields.retain(|(name, _)| !name.eq_ignore_ascii_case(TRACE));
            for (name, value) in fields {
                if VARYING.iter().any(|varying| name.eq_ignore_ascii_case(varying)) {
                    "…".as_bytes().clone_into(value);
                }
            }
        }
        seen
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.0 {
            match event {
                Event::Head(fields) | Event::Trailers(fields) => {
                    for (name, value) in fields {
                        writeln!(f, "    {name}: {}", shortened(value))?;
                    }
                }
                Event::Data(data) => writeln!(f, "    {} bytes: {}", data.len(), shortened(data))?,
                other => writeln!(f, "    {other:?}")?,
            }
        }
        Ok(())
    }
}

fn shortened(bytes: &[u8]) -> String {
    let dots = if bytes.len() > 80 { "…" } else { "" };
    format!("{}{dots}", bytes[..bytes.len().min(80)].escape_ascii())
}
