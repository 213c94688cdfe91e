//! Everything that crosses crates or needs a program by others, linked once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod actions;
mod attempts;
mod attributes;
mod bounds;
mod browser;
mod budget;
mod collect;
mod collect_tls;
mod collector_faults;
mod collectors;
mod corpus;
mod differential;
mod doctor;
mod documented;
mod envoy;
mod expressions;
mod filter;
mod foreign_filters;
mod foreign_functions;
mod forward_only;
mod fuzz;
mod grafana;
mod har;
mod kill;
mod lifecycle;
mod mesh;
mod needs;
mod nginx;
mod oci;
mod platforms;
mod proxy;
mod readme;
mod recording;
mod roots;
mod rules;
mod sampling;
mod secured;
mod shape;
mod situations;
mod store_faults;
mod tidy;
mod trace_context;
