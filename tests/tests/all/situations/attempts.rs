//! Retries and hedges where the filter sees each attempt: a CLIENT span for each, below one SERVER span.

use std::time::Duration;

use meshspan_tests::situation::{Situation, answer, get, pass, request, silent, stage_attempts, when};

/// Time enough for the other attempt's answer to come first.
const WHILE: Duration = Duration::from_millis(100);

/// Retried one after the other.
fn retries() -> Vec<Situation> {
    vec![
        when("success at once", get("/retry"))
            .then(answer(200))
            .answered(200)
            .gives(pass("GET").attempt(200)),
        when("success at the third attempt", get("/retry"))
            .then(answer(503))
            .then(answer(500).data("no"))
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").attempt(503).attempt(500).attempt(200)),
        when("success after a reset", get("/retry"))
            .then(silent().reset())
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").lost_attempt().attempt(200)),
        when("success after an attempt that took too long", get("/retry"))
            .then(silent().see_gone())
            .then(answer(200).data("done"))
            .answered(200)
            .gives(pass("GET").lost_attempt().attempt(200)),
        when("three failures", request("POST", "/retry").data("some"))
            .then(answer(503))
            .then(answer(503))
            .then(answer(503).data("no"))
            .answered(503)
            .gives(pass("POST").error("503").attempt(503).attempt(503).attempt(503)),
        when("attempts that never connect", get("/refused"))
            .answered(503)
            .gives(pass("GET").error("503").lost_attempt().lost_attempt().lost_attempt()),
    ]
}

/// Two attempts in flight at the same time: an upstream meets the other before it answers.
fn hedges() -> Vec<Situation> {
    vec![
        when("no need of a second", get("/hedge"))
            .then(answer(200))
            .answered(200)
            .gives(pass("GET").attempt(200)),
        when("the first of two wins", get("/hedge"))
            .then(silent().see_end().meet().answer(200).data("first"))
            .then(silent().meet().see_gone())
            .answered(200)
            .gives(pass("GET").attempt(200).lost_attempt()),
        when("the second of two wins", get("/hedge"))
            .then(silent().meet().see_gone())
            .then(silent().see_end().meet().answer(200).data("second"))
            .answered(200)
            .gives(pass("GET").lost_attempt().attempt(200)),
        when("a body that is sent twice", request("POST", "/hedge").data("some"))
            .then(silent().meet().see_gone())
            .then(silent().see_end().meet().answer(200).data("second"))
            .answered(200)
            .gives(pass("POST").lost_attempt().attempt(200)),
        when("the first of two fails, the second wins", get("/hedge"))
            .then(silent().see_end().meet().answer(503).data("first"))
            .then(silent().see_end().meet().pause(WHILE).answer(200).data("second"))
            .answered(200)
            .gives(pass("GET").attempt(503).attempt(200)),
    ]
}

#[test]
fn rule_35_every_attempt_is_a_client_span() {
    let once = [retries(), hedges()].concat();
    // Twice: so many connections that both workers get some.
    stage_attempts(&[once.clone(), once].concat());
}
