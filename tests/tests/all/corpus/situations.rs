//! The situations through guests, in a real Envoy, in the harness and in `meshspan proxy`: what each guest saw, to
//! whatever end its exchange came, and what came of it.

use std::collections::BTreeMap;

use meshspan_tests::guests::{
    Answer, LiveUses, Ours, Scene, Traced, differences, lines, on_the_wires, retold,
};
use meshspan_tests::situation::{Protocol, Seen, Situation, Views};
use meshspan_tests::situations::{broken, grpc, headers, lasting, local, plain};

/// Those that are played in Envoy and in the harness.
const GUESTS: [&str; 9] =
    ["endings", "buffer", "call", "trailers", "reply", "bodies", "grpc", "headers", "statuses"];
/// Those that are played in the proxy, too.
const IN_THE_PROXY: [&str; 5] = ["endings", "buffer", "call", "trailers", "reply"];

/// Every situation but those of large bodies and of much time, over each protocol.
fn all() -> Vec<(Situation, Protocol)> {
    let mut early = plain::large_bodies();
    early.retain(|one| one.name() == "an answer before the upload's end");
    let tables = [
        broken::clients_that_leave(),
        broken::servers_that_break_off(),
        broken::time_limits(),
        broken::nobody_to_answer(),
        broken::retries_and_hedges(),
        grpc::calls_that_succeed(),
        grpc::calls_that_fail(),
        headers::fields_of_every_kind(),
        headers::headers_around_the_limits(),
        headers::requests_without_a_host_and_worse(),
        lasting::web_sockets(),
        lasting::web_sockets_over_http2(),
        lasting::tunnels(),
        local::answers_by_routes(),
        local::answers_by_other_filters(),
        plain::messages_with_and_without_bodies(),
        plain::interim_responses(),
        plain::answers_of_every_class(),
        early,
    ];
    let over = |one: Situation| one.protocols().iter().map(move |protocol| (one.clone(), *protocol));
    tables.into_iter().flatten().flat_map(over).collect()
}

/// What one guest told of one exchange, and what came of it.
struct Told {
    program: &'static str,
    place: usize,
    /// In Envoy and in the proxy: callbacks, results and what was on the wires.
    on_the_wires: Option<[Vec<String>; 2]>,
    /// In Envoy and in the harness, to the line; none of an exchange that no guest saw.
    around_the_guest: Option<[Vec<String>; 2]>,
}

fn played(program: &'static str, all: &[(Situation, Protocol)]) -> Vec<Told> {
    let is_live = IN_THE_PROXY.contains(&program);
    let scene = if is_live { Scene::start(program) } else { Scene::of_envoy(program) };
    let play = |(place, (situation, protocol)): (usize, &(Situation, Protocol))| {
        scene.play(situation, *protocol, place + 1)
    };
    let views: Vec<_> = all.iter().enumerate().map(play).collect();
    let transcripts = scene.in_envoy();
    let told = [transcripts.of(program), scene.in_the_proxy()];
    let (mut passes, inputs) = (transcripts.passes(program), transcripts.inputs(program));
    let (outcomes, mut ours) = (scene.outcomes(&told[0]), Ours::of(&[program]));
    let wires = |host: usize, number: usize, views: &Views| {
        let told = told[host].get(&number).map_or(&[][..], Vec::as_slice);
        // What has come to the upstream when a guest answers in its place is a matter of time.
        let counts = |seen: &&Seen| program != "reply" || seen.is_whole();
        let upstreams: Vec<_> = views.upstreams.iter().filter(counts).cloned().collect();
        on_the_wires(&retold(told), &upstreams, &views.client)
    };
    let mut told = Vec::new();
    for (place, (envoy, live)) in views.into_iter().enumerate() {
        let number = place + 1;
        let on_the_wires = live.map(|live| [wires(0, number, &envoy), wires(1, number, &live)]);
        let around_the_guest = passes.remove(&number).map(|mut real| {
            real.client = Answer::of(&envoy.client);
            let our = ours.follow(program, all[place].1, &inputs[&number], &outcomes[&number]);
            [lines(&real), lines(&our)]
        });
        told.push(Told { program, place, on_the_wires, around_the_guest });
    }
    told
}

#[test]
fn guests_see_and_do_the_same_in_situations_in_envoy_in_the_harness_and_in_the_proxy() {
    let all = all();
    let told: Vec<Told> = std::thread::scope(|scope| {
        let play = |program| {
            let all = &all;
            scope.spawn(move || played(program, all))
        };
        let playing: Vec<_> = GUESTS.into_iter().map(play).collect();
        playing.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    let (mut live, mut ours) = (LiveUses::of_situations(), LiveUses::of_driven());
    let (mut wrong, mut counts) = (Vec::new(), [0, 0]);
    for one in &told {
        let (situation, protocol) = &all[one.place];
        let hosts = [("proxy", &one.on_the_wires, &mut live), ("harness", &one.around_the_guest, &mut ours)];
        for (place, (host, compared, uses)) in hosts.into_iter().enumerate() {
            let Some([envoy, other]) = compared else { continue };
            let mut found = differences(envoy, other);
            found.retain(|found| !uses.allow(situation.name(), found) && !uses.allow(one.program, found));
            if !found.is_empty() {
                let name = situation.name();
                wrong.push(format!("{}, {name} over {protocol:?}, in the {host}: {found:#?}", one.program));
            }
            counts[place] += 1;
        }
    }
    let [in_the_proxy, in_the_harness] = counts;
    println!(
        "{} exchanges, {} guests: {in_the_harness} passes compared with the harness's, {in_the_proxy} with the proxy's",
        all.len(),
        GUESTS.len()
    );
    for (what, count) in elsewhere(&all) {
        println!("{count} exchanges are not for the proxy: they need {what}");
    }
    live.lines().chain(ours.lines()).for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} passes differ:\n{}", wrong.len(), wrong.join("\n"));
    let stale = [live.stale(), ours.stale()].concat();
    assert!(stale.is_empty(), "these do not differ any more, strike them: {stale:#?}");
}

/// How many exchanges need what the proxy has not.
fn elsewhere(all: &[(Situation, Protocol)]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    all.iter().filter_map(|(one, _)| one.needs()).for_each(|what| *counts.entry(what).or_default() += 1);
    counts
}

#[test]
fn the_filter_gives_the_same_spans_of_situations_in_envoy_in_the_harness_and_in_the_proxy() {
    let (all, mut traced) = (all(), Traced::start());
    let play = |(place, (situation, protocol)): (usize, &(Situation, Protocol))| {
        traced.scene.play(situation, *protocol, place + 1).1.is_some()
    };
    let is_live: Vec<bool> = all.iter().enumerate().map(play).collect();
    let transcripts = traced.scene.in_envoy();
    let (inputs, outcomes) =
        (transcripts.inputs("meshspan"), traced.scene.outcomes(&transcripts.of("before.meshspan")));
    for (number, inputs) in &inputs {
        let pass = traced.ours.follow("meshspan", all[number - 1].1, inputs, &outcomes[number]);
        assert_eq!(pass.guest, Vec::<String>::new(), "{}", all[number - 1].0.name());
    }
    let [envoy, live, ours] = traced.spans();
    let (mut uses, mut wrong, mut counts) = (LiveUses::of_spans(), Vec::new(), [0, 0]);
    let nothing = Vec::new();
    for (place, (situation, protocol)) in all.iter().enumerate() {
        let theirs = envoy.get(&(place + 1)).unwrap_or(&nothing);
        let hosts = [("proxy", &live, is_live[place]), ("harness", &ours, true)];
        for (host, (name, spans, _)) in
            hosts.into_iter().enumerate().filter(|(_, (.., is_played))| *is_played)
        {
            let mut found = differences(theirs, spans.get(&(place + 1)).unwrap_or(&nothing));
            found.retain(|found| !uses.allow(situation.name(), found) && !uses.allow(name, found));
            if !found.is_empty() {
                wrong.push(format!("{} over {protocol:?}, in the {name}: {found:#?}", situation.name()));
            }
            counts[host] += 1;
        }
    }
    let spans: usize = envoy.values().flatten().filter(|line| line.trim_start().starts_with("span ")).count();
    println!(
        "{} exchanges, {spans} spans of Envoy's: trees of {} exchanges compared with the harness's, of {} with the proxy's",
        all.len(),
        counts[1],
        counts[0]
    );
    uses.lines().for_each(|line| println!("{line}"));
    assert!(wrong.is_empty(), "{} trees differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(uses.stale().is_empty(), "these do not differ any more, strike them: {:#?}", uses.stale());
}
