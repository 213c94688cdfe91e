//! Answers by the proxy itself: by its routes and by the filters before and behind ours.

use meshspan_tests::situation::stage;
use meshspan_tests::situations::local;

#[test]
fn answers_by_routes() {
    stage(&local::answers_by_routes());
}

#[test]
fn answers_by_other_filters() {
    stage(&local::answers_by_other_filters());
}
