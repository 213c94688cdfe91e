//! The programs by name.

mod bodies;
mod buffer;
mod call;
mod endings;
mod expressions;
mod foreign;
mod grpc;
mod headers;
mod maps;
mod metrics;
mod properties;
mod reply;
mod roots;
mod shared;
mod statuses;
mod trailers;
mod watch;

use crate::program::{Root, Streams};

/// The program that a plugin's configuration names.
pub(crate) fn named(name: &str) -> Option<Box<dyn Root>> {
    Some(match name {
        "watch" => Box::new(Streams(|| Box::new(watch::Watch))),
        "headers" => Box::new(Streams(|| Box::<headers::Headers>::default())),
        "maps" => Box::new(Streams(|| Box::<maps::Maps>::default())),
        "bodies" => Box::new(Streams(|| Box::<bodies::Bodies>::default())),
        "buffer" => Box::new(Streams(|| Box::<buffer::Buffer>::default())),
        "call" => Box::new(Streams(|| Box::<call::Call>::default())),
        "endings" => Box::new(Streams(|| Box::new(endings::Endings))),
        "expressions" => Box::new(Streams(|| Box::<expressions::Expressions>::default())),
        "foreign" => Box::new(Streams(|| Box::new(foreign::Foreign))),
        "grpc" => Box::new(Streams(|| Box::<grpc::Grpc>::default())),
        "reply" => Box::new(Streams(|| Box::<reply::Replies>::default())),
        "properties" => Box::new(Streams(|| Box::<properties::Properties>::default())),
        "trailers" => Box::new(Streams(|| Box::<trailers::Trailers>::default())),
        "statuses" => Box::new(Streams(|| Box::<statuses::Statuses>::default())),
        "roots" => Box::<roots::Roots>::default(),
        "shared" => Box::<shared::Shared>::default(),
        "metrics" => Box::<metrics::Metrics>::default(),
        _ => return None,
    })
}
