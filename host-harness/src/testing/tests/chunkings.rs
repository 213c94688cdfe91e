//! The sweep finds a filter that cares where a body is cut, and no other.

use super::*;

#[test]
fn a_filter_that_takes_bodies_as_they_come_passes() {
    let mut host = host(&[("request_body", r#"(call $say "seen") (i32.const 0)"#)]).start().unwrap();
    let exchange = host.request().post("/").body("x".repeat(100)).respond(200).body("y".repeat(9));
    let whole = exchange.sweep_chunkings().unwrap();
    whole.assert_passed();
    whole.assert_request_body("x".repeat(100).as_str());
    assert!(host.logs().is_empty(), "each exchange has a host of its own");
}

#[test]
fn a_filter_that_replaces_each_piece_is_found_out() {
    let mut host = host(&[("response_body", "(call $set (i32.const 1)) (i32.const 0)")]).start().unwrap();
    let swept = host.request().respond(200).body("abcd").sweep_chunkings();
    let Err(SweepError::Difference(found)) = swept else { panic!("{swept:?}") };
    assert_eq!((found.chunking.as_str(), found.what), ("pieces of 1 byte", "the response's body"));
    assert_eq!(found.found, "\"XYXYXYXYXY\"", "each of four bytes, and the empty end of HTTP/1.1");
}

#[test]
fn one_that_looks_only_at_the_first_piece_is_found_out() {
    // Refuses a request whose first piece has fewer than three bytes.
    let hasty =
        "(if (i32.lt_u (local.get 1) (i32.const 3)) (then (call $reply (i32.const 413)))) (i32.const 0)";
    let mut host = host(&[("request_body", hasty)]).start().unwrap();
    let swept = host.request().post("/").body("abcdef").respond(200).http2().sweep_chunkings();
    let message = swept.unwrap_err().to_string();
    assert!(message.starts_with("in pieces of 1 byte, what answered the client differs: None"), "{message}");
}

#[test]
fn one_that_buffers_passes() {
    // Holds the body until its end, then replaces all of it.
    let patient =
        "(if (i32.eqz (local.get 2)) (then (return (i32.const 1)))) (call $set (i32.const 0)) (i32.const 0)";
    let mut host = host(&[("request_body", patient)]).start().unwrap();
    let whole = host.request().post("/").body("abcdefgh").respond(200).sweep_chunkings().unwrap();
    whole.assert_request_body("XY");
}
