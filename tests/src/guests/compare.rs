//! Two hosts' passes side by side: as lines, and the lines that only one of them has.

use meshspan::flow::Side;
use meshspan::host::HeaderMap;

use super::{Event, Part, Pass};
use crate::situation::{self as wire, Seen};

/// A line that only one host has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Envoy's.
    Envoy(String),
    /// The harness's.
    Harness(String),
}

/// What came out of a guest and what it told of itself, as lines.
pub fn lines(pass: &Pass) -> Vec<String> {
    let mut lines = pass.guest.clone();
    let outputs =
        [("to the upstream", Side::Request, &pass.after), ("to the client", Side::Response, &pass.before)];
    for (to, side, events) in outputs {
        lines.push(format!("== {to}"));
        events.iter().filter(|event| event.side == side).for_each(|event| shown(event, &mut lines));
    }
    lines.push("== what the client got".to_owned());
    let status = pass.client.status.as_deref().map_or_else(|| "none".to_owned(), brief);
    lines.push(format!("status {status}"));
    lines.push(format!("body {}", brief(&pass.client.body)));
    lines
}

/// What a guest told of itself and what was on the wires around its proxy, as lines.
pub fn on_the_wires(guest: &[String], upstream: &[Seen], client: &Seen) -> Vec<String> {
    let mut lines = guest.to_vec();
    for seen in upstream {
        lines.push("== to the upstream".to_owned());
        on_a_wire(seen, &mut lines);
    }
    lines.push("== to the client".to_owned());
    on_a_wire(client, &mut lines);
    lines
}

/// Fields in the order of their names: on the way from one proxy to the next only that of the same name matters.
fn on_a_wire(seen: &Seen, lines: &mut Vec<String>) {
    let mut head: &[(String, Vec<u8>)] = &[];
    for event in seen.events() {
        match event {
            wire::Event::Head(fields) => {
                head = fields;
                lines.push("head".to_owned());
                lines.extend(in_order(fields).map(|(name, value)| format!("  {name}: {}", brief(value))));
            }
            wire::Event::Trailers(fields) => {
                let label = |name: &str| if is_announced(head, name) { "" } else { "unannounced " };
                let all: Vec<_> = in_order(fields).map(|(name, value)| (label(&name), name, value)).collect();
                let whole = all.iter().map(|(label, ..)| *label).min().unwrap_or_default();
                lines.push(format!("{whole}trailers"));
                lines.extend(
                    all.iter().map(|(label, name, value)| format!("  {label}{name}: {}", brief(value))),
                );
            }
            wire::Event::Data(bytes) => lines.push(format!("data {}", brief(bytes))),
            other => lines.push(format!("{other:?}").to_lowercase()),
        }
    }
}

fn in_order(fields: &[(String, Vec<u8>)]) -> impl Iterator<Item = (String, &[u8])> {
    let mut fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_slice())).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields.into_iter()
}

/// Whether a trailer may follow this head: over HTTP/1.1, whose start line has no name, if the head says so.
fn is_announced(head: &[(String, Vec<u8>)], name: &str) -> bool {
    let is_http2 = head.first().is_some_and(|(name, _)| !name.is_empty());
    let mut names = head.iter().filter(|(field, _)| field.eq_ignore_ascii_case("trailer"));
    is_http2
        || names.any(|(_, value)| {
            value
                .split(|byte| *byte == b',')
                .any(|one| one.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        })
}

/// What the program `bodies` puts once into each piece of a body.
const MARKS: [&str; 5] = ["[behind]", "[before]", "[instead]", "[1]", "[2]"];

/// The same without the marks: how often a body has them, and so in how many pieces it was read, is the connection's
/// matter. Whether it had any is kept.
pub fn without_marks(seen: &Seen) -> Seen {
    seen.mapped(|body| {
        let Some(mark) = MARKS.iter().find(|mark| contains(body, mark.as_bytes())) else {
            return body.to_vec();
        };
        let mut text = body.to_vec();
        for mark in MARKS {
            while let Some(place) = text.windows(mark.len()).position(|part| part == mark.as_bytes()) {
                text.drain(place..place + mark.len());
            }
        }
        [format!("with {mark} ").as_bytes(), &text].concat()
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|some| some == part)
}

fn shown(event: &Event, lines: &mut Vec<String>) {
    let end = if event.end { " end" } else { "" };
    match &event.part {
        Part::Head(map) => {
            lines.push(format!("head{end}"));
            fields(map, lines);
        }
        Part::Data(bytes) => lines.push(format!("data {}{end}", brief(bytes))),
        Part::Trailers(map) => {
            lines.push("trailers".to_owned());
            fields(map, lines);
        }
    }
}

fn fields(map: &HeaderMap, lines: &mut Vec<String>) {
    lines.extend(map.iter().map(|(name, value)| format!("  {}: {}", name.escape_ascii(), brief(value))));
}

fn brief(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(5381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(*byte));
    let start = bytes[..bytes.len().min(60)].escape_ascii();
    if bytes.len() > 60 { format!("{} bytes {start}… {sum:08x}", bytes.len()) } else { start.to_string() }
}

/// The longest common subsequence stays, the rest differs.
pub fn differences(envoy: &[String], harness: &[String]) -> Vec<Difference> {
    let start = envoy.iter().zip(harness).take_while(|(one, other)| one == other).count();
    let (envoy, harness) = (&envoy[start..], &harness[start..]);
    let width = harness.len() + 1;
    let mut common = vec![0_usize; (envoy.len() + 1) * width];
    for row in (0..envoy.len()).rev() {
        for column in (0..harness.len()).rev() {
            let place = row * width + column;
            common[place] = if envoy[row] == harness[column] {
                common[place + width + 1] + 1
            } else {
                common[place + width].max(common[place + 1])
            };
        }
    }
    let (mut row, mut column, mut found) = (0, 0, Vec::new());
    while row < envoy.len() || column < harness.len() {
        let place = row * width + column;
        if row < envoy.len() && column < harness.len() && envoy[row] == harness[column] {
            (row, column) = (row + 1, column + 1);
        } else if column == harness.len() || row < envoy.len() && common[place + width] >= common[place + 1] {
            found.push(Difference::Envoy(envoy[row].clone()));
            row += 1;
        } else {
            found.push(Difference::Harness(harness[column].clone()));
            column += 1;
        }
    }
    found
}

/// Whether `line` is as `pattern` says, in which a star is any text and a question mark any digit.
pub(super) fn matches(pattern: &str, line: &str) -> bool {
    if let Some((before, after)) = pattern.split_once('?') {
        return (0..10).any(|digit| matches(&format!("{before}{digit}{after}"), line));
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_a_digit() {
        let rows = [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*b*c", "a b c", true),
            ("a*b*c", "a c b", false),
            ("ab*b", "ab", false),
            ("a?b*", "a7bc", true),
            ("a?b", "axb", false),
        ];
        for (pattern, line, expected) in rows {
            assert_eq!(matches(pattern, line), expected, "{pattern} {line}");
        }
    }

    #[test]
    fn what_only_one_has_is_found_whatever_surrounds_it() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = differences(&lines("a b c d e"), &lines("a x c e f"));
        let envoy = |line: &str| Difference::Envoy(line.to_owned());
        let harness = |line: &str| Difference::Harness(line.to_owned());
        assert_eq!(found, [envoy("b"), harness("x"), envoy("d"), harness("f")]);
        assert_eq!(differences(&lines("a b"), &lines("a b")), []);
    }
}
