//! Requests and responses that come to their end, with and without bodies and interim responses.

use meshspan_tests::situation::stage;
use meshspan_tests::situations::plain;

#[test]
fn messages_with_and_without_bodies() {
    stage(&plain::messages_with_and_without_bodies());
}

#[test]
fn rule_31_answers_of_every_class() {
    stage(&plain::answers_of_every_class());
}

#[test]
fn large_bodies() {
    stage(&plain::large_bodies());
}

#[test]
fn interim_responses() {
    stage(&plain::interim_responses());
}
