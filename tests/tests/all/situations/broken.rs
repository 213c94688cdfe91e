//! Exchanges that do not come to their end, or not at the first attempt.

use meshspan_tests::situation::stage;
use meshspan_tests::situations::broken;

#[test]
fn clients_that_leave() {
    stage(&broken::clients_that_leave());
}

#[test]
fn servers_that_break_off() {
    stage(&broken::servers_that_break_off());
}

#[test]
fn time_limits() {
    stage(&broken::time_limits());
}

#[test]
fn nobody_to_answer() {
    stage(&broken::nobody_to_answer());
}

#[test]
fn rule_35_retries_and_hedges_are_one_span_where_attempts_are_not_visible() {
    stage(&broken::retries_and_hedges());
}
