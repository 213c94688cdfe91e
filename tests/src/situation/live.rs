//! Situations through `meshspan proxy`, beside Envoy: both ends have to see the same there but for what Envoy says of
//! itself in a head.

use super::seen::{Event, Seen};
use super::stage::Stage;
use super::{Protocol, Situation};
use crate::live::LiveProxy;

/// Fields of a head that are compared, beside what the start line says.
const FIELDS: [&str; 6] = ["", ":method", ":protocol", ":status", ":path", "upgrade"];

/// Plays all that `situations` say through Envoy without a filter and through the proxy with the tracing one.
pub fn stage_beside_live(situations: &[Situation]) {
    beside(situations, false);
}

/// The same of situations in each of which Envoy passes an interim response on, and the proxy does not.
pub fn stage_beside_live_without_interim(situations: &[Situation]) {
    beside(situations, true);
}

fn beside(situations: &[Situation], lacks_interim: bool) {
    let stage = Stage::usual();
    let mut wrong = Vec::new();
    for situation in situations {
        for &protocol in situation.protocols {
            // A new one each time: it would keep connections, and the upstream's scripts want new ones.
            let proxy = LiveProxy::before(stage.upstream_port(), &[]);
            let [mut theirs, ours] = [stage.plain_port(), proxy.port()].map(|port| {
                let (client, upstreams) = stage.both_ends(situation, protocol, port);
                assert_eq!(
                    client.status(),
                    situation.answered,
                    "{} over {protocol:?}:\n{client}",
                    situation.name
                );
                let upstreams = upstreams.iter().map(|seen| begun(&outline(seen, protocol)));
                std::iter::once(outline(&client, protocol)).chain(upstreams).collect::<Vec<_>>()
            });
            if lacks_interim {
                let whole = theirs[0].events().len();
                theirs[0] = theirs[0].events().iter().filter(|event| !is_interim(event)).cloned().collect();
                let name = situation.name;
                assert!(
                    theirs[0].events().len() < whole,
                    "{name} over {protocol:?}: Envoy passes nothing on"
                );
            }
            if theirs != ours {
                wrong.push(format!(
                    "{} over {protocol:?}: Envoy\n{}  the proxy\n{}",
                    situation.name,
                    shown(&theirs),
                    shown(&ours)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether it is a response before the last one, which leaves HTTP at most.
fn is_interim(event: &Event) -> bool {
    let Event::Head(fields) = event else { return false };
    let status = fields.first().map(|(_, value)| value.strip_prefix(b"HTTP/1.1 ").unwrap_or(value));
    status.is_some_and(|status| status.starts_with(b"1") && !status.starts_with(b"101"))
}

/// Without how it ended: whether a stream is ended or reset that is over for both is the HTTP library's matter.
fn begun(seen: &Seen) -> Seen {
    let is_end = |event: &&Event| matches!(event, Event::End | Event::Closed | Event::Reset(_));
    seen.events().iter().filter(|event| !is_end(event)).cloned().collect()
}

fn shown(ends: &[Seen]) -> String {
    ends.iter().map(|seen| format!("  -\n{seen}")).collect()
}

fn outline(seen: &Seen, protocol: Protocol) -> Seen {
    seen.events()
        .iter()
        .map(|event| match event {
            Event::Head(fields) => {
                let kept = fields
                    .iter()
                    .filter(|(name, _)| FIELDS.iter().any(|kept| name.eq_ignore_ascii_case(kept)));
                Event::Head(kept.cloned().collect())
            }
            // How a connection ends that has left HTTP/1.1 is the system's matter: its end and its reset race.
            Event::Reset(_) if protocol == Protocol::Http1 => Event::Closed,
            other => other.clone(),
        })
        .collect()
}
