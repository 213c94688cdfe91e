//! gRPC of every shape.

use meshspan_tests::situation::stage;
use meshspan_tests::situations::grpc;

#[test]
fn calls_that_succeed() {
    stage(&grpc::calls_that_succeed());
}

#[test]
fn calls_that_fail() {
    stage(&grpc::calls_that_fail());
}
