//! The arguments of `meshspan replay`.

use std::{convert::Infallible, path::PathBuf};

use clap::{Args, ValueEnum};
use meshspan::{collect, replay::Shard, traffic::Input};

use super::{RunArgs, traffic::TrafficArgs};
use crate::cli::{
    baseline::BaselineArgs,
    explain::ExplainArgs,
    what_if::{self, WhatIf},
};

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Recorded traffic in any format, gzip or not, replayed as one; `-` is standard input
    #[arg(required = true, value_name = "FILE", value_parser = |text: &str| Ok::<_, Infallible>(Input::from(text)))]
    pub(crate) files: Vec<Input>,
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    /// The mesh that the traffic passes (`meshspan schema topology`); without it, all passes one proxy
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: Option<PathBuf>,
    /// The plugin's configuration; with a topology, in place of the topology's `plugin` [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Another filter than the one that this program carries
    #[arg(long, value_name = "WASM")]
    pub(crate) filter: Option<PathBuf>,
    /// Which way the one proxy's traffic goes
    #[arg(long, value_enum, default_value_t = Direction::Inbound, conflicts_with = "topology")]
    pub(crate) direction: Direction,
    /// How fast: 1 as it was recorded, 10 ten times as fast [default: as fast as possible]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    pub(crate) speed: Option<f64>,
    /// VMs that each proxy runs, as Envoy's worker threads do; each trace stays with one. Ids depend on it
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// Threads; the result does not depend on them, and more than the concurrency have nothing to do
    /// [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) workers: Option<u16>,
    /// Only the traces of shard I of N, from 0 to N-1; a Kubernetes Job has I in JOB_COMPLETION_INDEX
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    pub(crate) shard: Shard,
    /// How many seconds earlier than those before it an exchange may start, and how long after its end it
    /// may be a parent
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) window: f64,
    /// Answer the filter's calls to this cluster with this HTTP status; OTLP exports are always taken
    #[arg(long, value_name = "CLUSTER=STATUS", value_parser = answer)]
    pub(crate) answer: Vec<(String, u16)>,
    /// Say also how much would be left if so many traces were sampled, 0 to 1, or with another sampling policy: what
    /// stands in the plugin's configuration at `sampling`, as JSON or in a file; the traffic is replayed with it
    #[arg(long, value_name = "RATIO|POLICY", value_parser = what_if::parse)]
    pub(crate) what_if: Vec<WhatIf>,
    /// The trace to show as a waterfall, among those that there was room to keep
    #[arg(long, value_enum, default_value_t = Show::None, value_name = "WHICH")]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) baseline: BaselineArgs,
    #[command(flatten)]
    pub(crate) explain: ExplainArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Which way a proxy's traffic goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

/// Which trace to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Show {
    None,
    Largest,
    Slowest,
}

impl From<Direction> for collect::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Inbound => Self::Inbound,
            Direction::Outbound => Self::Outbound,
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    within(text, "a number above 0, up to 1000000", |speed| speed > 0.0 && speed <= 1e6)
}

fn seconds(text: &str) -> Result<f64, String> {
    within(text, "seconds from 0 to 86400", |seconds| (0.0..=86_400.0).contains(&seconds))
}

fn within(text: &str, allowed: &str, is_allowed: impl FnOnce(f64) -> bool) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| is_allowed(*number));
    number.ok_or_else(|| format!("expected {allowed}"))
}

fn answer(text: &str) -> Result<(String, u16), String> {
    let parts = text.rsplit_once('=').filter(|(cluster, _)| !cluster.is_empty());
    let answer = parts.and_then(|(cluster, status)| Some((cluster.to_owned(), status.parse().ok()?)));
    let allowed = answer.filter(|(_, status)| (200..=599).contains(status));
    allowed
        .ok_or_else(|| "expected CLUSTER=STATUS with a status from 200 to 599, such as auth=403".to_owned())
}
