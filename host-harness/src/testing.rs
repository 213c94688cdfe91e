//! A test framework for people who write filters: hosts in the process of a test, exchanges through them, and
//! assertions that say what they found.
//!
//! A [`TestHost`] is one plugin in a VM of its own, with a virtual clock and clusters that answer as told. There is
//! no global state: as many hosts as wanted run side by side, in one test or in many at the same time. What the
//! filter pauses is held, buffered and let go as Envoy does it ([`crate::flow`]); the clock stands still but for
//! what is waited for.
//!
//! ```
//! use meshspan::testing::{Answer, TestHost};
//!
//! # fn main() -> Result<(), meshspan::vm::VmError> {
//! let mut host = TestHost::new(meshspan::filter_wasm())
//!     .configuration(r#"{"service": {"name": "web"}, "start_traces": true}"#)
//!     .cluster("otel_collector", Answer::collector())
//!     .start()?;
//! let exchange = host.request().get("/list?page=2").header("x-user", "7").respond(200).body("ok").send()?;
//! exchange.assert_passed();
//! exchange.assert_request_header("traceparent", |value: &str| value.starts_with("00-") && value.len() == 55);
//! exchange.assert_response_body("ok");
//! exchange.assert_nothing_refused();
//!
//! host.finish()?;
//! host.assert_span("GET", |span| span.service == "web");
//! host.assert_metric("meshspan_spans_exported", 2);
//! # Ok(())
//! # }
//! ```
//!
//! What goes wrong around a filter can be made to go wrong:
//!
//! ```
//! use std::time::Duration;
//! use meshspan::testing::{Answer, TestHost};
//!
//! # fn main() -> Result<(), meshspan::vm::VmError> {
//! let mut host = TestHost::new(meshspan::filter_wasm())
//!     .configuration(r#"{"start_traces": true, "export": {"timeout_ms": 2000}}"#)
//!     .cluster("otel_collector", Answer::timeout())
//!     .start()?;
//! host.request().get("/").respond(200).send()?.assert_passed();
//! host.advance(Duration::from_secs(30));
//! assert!(host.callouts().len() > 1, "the export is tried again");
//!
//! host.trap_at_hostcall(1)?;
//! host.request().get("/").respond(200).send()?.assert_refused();
//! # Ok(())
//! # }
//! ```
//!
//! And the same exchange in pieces of every size must come to the same:
//!
//! ```
//! # use meshspan::testing::TestHost;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut host = TestHost::new(meshspan::filter_wasm()).start()?;
//! host.request().post("/upload").body("twenty bytes of text").respond(201).body("done").sweep_chunkings()?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod assertions;
mod builder;
mod callout;
mod exchange;
mod expected;
mod host;
mod request;
mod run;
mod surroundings;
mod sweep;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use builder::TestHostBuilder;
pub use callout::{Callout, Fate};
pub use exchange::{Action, Exchange, Message};
pub use expected::Expected;
pub use host::TestHost;
pub use request::RequestBuilder;
pub use sweep::{Difference, SweepError};

pub use crate::flow::Side;
