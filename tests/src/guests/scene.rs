//! A guest in a real Envoy and in `meshspan proxy` before the same upstream, while situations are played.

use std::collections::BTreeMap;

use tempfile::TempDir;

use super::{Outcome, Transcripts, live, real, wasm};
use crate::envoy::{Config, Envoy};
use crate::live::{LiveProxy, dead_port};
use crate::process::free_port;
use crate::situation::{Ends, Label, Protocol, Situation, Views};
use crate::upstream::Upstream;
use crate::wait;

/// Its routes are those of the tests of the tracing filter.
const BOOTSTRAP: &str = include_str!("../../envoy/situations.yaml");
const WATCHED: &str = include_str!("../../envoy/guests-watched.yaml");
const MANAGER: &str = include_str!("../../envoy/guests-manager.yaml");
const ORACLE: &str = include_str!("../../envoy/guests-oracle.yaml");
const GUESTS: &str = "guests.wasm";
const LOG: &str = "access.log";
/// The lines of the bootstrap that the guest stands in the place of.
const FILTER: [&str; 2] = ["                  - name: meshspan\n", "                  - *after\n"];
/// Where in the watched filters the guest is, and what comes behind it.
const GUEST: &str = "                  - name: guest\n";
const BEHIND: &str = "                  - name: watch_after\n";
const ROUTER: &str = r#""@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"#;

/// Both proxies with one guest, and what is around them.
#[derive(Debug)]
pub struct Scene {
    program: &'static str,
    envoy: Envoy,
    port: u16,
    /// Before the upstream, and before nobody.
    live: Option<[LiveProxy; 2]>,
    ends: Ends,
    oracle: Upstream,
    files: TempDir,
    /// Those of the tracing filter.
    configurations: Vec<String>,
}

impl Scene {
    /// Starts both.
    pub fn start(program: &'static str) -> Scene {
        let mut scene = Scene::of_envoy(program);
        let file = |name: &str| {
            let path = scene.files.path().join(name);
            path.to_str().expect("a temporary path is text").to_owned()
        };
        let (guests, config) = (file(GUESTS), live::file(&scene.files, program, program.as_bytes()));
        let upstream = format!("http://127.0.0.1:{}", scene.ends.upstream_port());
        // Nothing listens on the port of tcpmux.
        let upstreams = [upstream.as_str(), "http://127.0.0.1:1"];
        scene.live = Some(
            upstreams.map(|upstream| live::start(program, [upstream, &guests, &config], &scene.oracle, &[])),
        );
        scene
    }

    /// Starts Envoy alone.
    pub fn of_envoy(program: &'static str) -> Scene {
        let guest = &WATCHED[place(WATCHED, GUEST)..place(WATCHED, BEHIND)];
        Scene::around(program, guest, dead_port())
    }

    /// Starts both with the tracing filter, each with a collector's port. Its configuration comes along.
    pub(super) fn of_filter([envoys, proxys]: [u16; 2]) -> (Scene, String) {
        let [first, next] = FILTER;
        let filter = &BOOTSTRAP[place(BOOTSTRAP, first)..place(BOOTSTRAP, next)];
        let mut scene = Scene::around("meshspan", filter, envoys);
        let [configuration] = &scene.configurations[..] else { panic!("one configuration of the filter") };
        let config = live::file(&scene.files, "plugin.json", configuration.as_bytes());
        let collector = format!("http://127.0.0.1:{proxys}");
        let start = |upstream: String| {
            let arguments = ["--workers", "1", "--upstream", &upstream, "--config", &config];
            LiveProxy::run(&[arguments.as_slice(), &["--otlp-endpoint", &collector]].concat(), &[])
        };
        let upstreams = [scene.ends.upstream_port(), 1];
        scene.live = Some(upstreams.map(|port| start(format!("http://127.0.0.1:{port}"))));
        let configuration = configuration.clone();
        (scene, configuration)
    }

    fn around(program: &'static str, guest: &str, collector: u16) -> Scene {
        let (ends, oracle, files) = (Ends::start(), Upstream::start(), tempfile::tempdir());
        let files = files.expect("a temporary directory");
        let guests = live::file(&files, GUESTS, &wasm());
        let port = free_port();
        let yaml = bootstrap(program, guest, &guests).replace("ACCESS_LOG", &live::file(&files, LOG, b""));
        let mut config = Config::of(yaml);
        let configurations = config.plugin_configurations();
        if !configurations.is_empty() {
            config = config.filter(meshspan::filter_wasm());
        }
        let config = config
            .arguments(&["--file-flush-interval-msec", "50"])
            .port(15001, free_port())
            .port(15002, port)
            .port(4317, collector);
        let config = config.port(8080, ends.upstream_port()).port(8081, oracle.port());
        Scene { program, envoy: config.start(), port, live: None, ends, oracle, files, configurations }
    }

    /// What both ends see of a situation around Envoy, and around the proxy if it can be played there.
    pub fn play(&self, situation: &Situation, protocol: Protocol, number: usize) -> (Views, Option<Views>) {
        let traceparent = format!("00-5174{number:028x}-00f067aa0ba902b7-01");
        let label = Label { traceparent, number: Some(number) };
        let live = self.live.as_ref().and_then(|[live, refused]| match situation.needs() {
            None => Some(live),
            Some("an upstream that refuses") => Some(refused),
            Some(_) => None,
        });
        let ports = [Some(self.port), live.map(LiveProxy::port)];
        let [envoy, live] =
            ports.map(|port| port.map(|port| self.ends.play(situation, protocol, port, &label)));
        (envoy.expect("it was played"), live)
    }

    /// All that the guest told in Envoy, and those around it, once every stream is over.
    pub fn in_envoy(&self) -> Transcripts {
        wait::until("every stream of Envoy to end", || {
            let transcripts = real::transcripts(&self.envoy.log());
            transcripts.is_complete().then_some(transcripts)
        })
    }

    /// What it told in the proxy, by exchange.
    pub fn in_the_proxy(&self) -> BTreeMap<usize, Vec<String>> {
        let told = self.live.iter().flatten().map(|proxy| live::told(proxy, self.program));
        told.flatten().collect()
    }

    /// What Envoy says of each stream that a guest saw, by exchange.
    pub fn outcomes(&self, of: &BTreeMap<usize, Vec<String>>) -> BTreeMap<usize, Vec<Outcome>> {
        wait::until("every stream to be in the access log", || {
            let log = std::fs::read_to_string(self.files.path().join(LOG)).expect("an access log");
            let outcomes = Outcome::read(&log);
            of.keys().all(|number| outcomes.contains_key(number)).then_some(outcomes)
        })
    }
}

fn bootstrap(program: &str, guest: &str, guests: &str) -> String {
    let [first, next] = FILTER;
    let (before, rest) = BOOTSTRAP.split_once(first).expect("the bootstrap has the filter");
    let (_, after) = rest.split_once(next).expect("and a filter behind it");
    let [watching, watched] = [&WATCHED[..place(WATCHED, GUEST)], &WATCHED[place(WATCHED, BEHIND)..]];
    let watched = [watching, guest, watched].concat().replace("PROGRAM", program).replace("GUESTS", guests);
    let yaml = format!("{before}{watched}{next}{after}\n{ORACLE}");
    let yaml = yaml.replace("stat_prefix: traced\n", &format!("stat_prefix: traced\n{MANAGER}"));
    yaml.replace(ROUTER, &format!("{ROUTER}\n                      suppress_envoy_headers: true"))
}

fn place(yaml: &str, line: &str) -> usize {
    yaml.find(line).unwrap_or_else(|| panic!("the configuration has no line {line:?}"))
}
