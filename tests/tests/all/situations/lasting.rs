//! Streams that last: their spans end when they end.

use meshspan_tests::situation::stage;
use meshspan_tests::situations::lasting;

#[test]
fn bodies_that_take_their_time() {
    stage(&lasting::bodies_that_take_their_time());
}

#[test]
fn web_sockets() {
    stage(&lasting::web_sockets());
}

#[test]
fn web_sockets_over_http2() {
    stage(&lasting::web_sockets_over_http2());
}

#[test]
fn tunnels() {
    stage(&lasting::tunnels());
}
