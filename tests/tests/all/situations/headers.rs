//! Headers of every kind, up to the proxy's limits and beyond.

use meshspan_tests::situation::stage;
use meshspan_tests::situations::headers;

#[test]
fn fields_of_every_kind() {
    stage(&headers::fields_of_every_kind());
}

#[test]
fn headers_around_the_limits() {
    stage(&headers::headers_around_the_limits());
}

#[test]
fn requests_without_a_host_and_worse() {
    stage(&headers::requests_without_a_host_and_worse());
}
