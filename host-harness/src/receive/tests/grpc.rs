use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use tonic::Code;
use tonic_types::StatusExt;

use super::*;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const GRPC: (&str, &str) = ("content-type", "application/grpc");
const GZIP: (&str, &str) = ("grpc-encoding", "gzip");

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

#[tokio::test]
async fn a_call_is_stored_and_answered() {
    let bytes = request(1..3).encode_to_vec();
    for (headers, body, reason) in [
        (&[GRPC][..], framed(0, &bytes), "plain"),
        (&[("content-type", "application/grpc+proto")], framed(0, &bytes), "the subtype named"),
        (&[GRPC, GZIP], framed(1, &gzip(&bytes)), "packed"),
        (&[GRPC, GZIP], framed(0, &bytes), "could be packed, but is not"),
        (&[GRPC, ("grpc-encoding", "zstd")], framed(0, &bytes), "could be packed as we cannot, but is not"),
    ] {
        let store = store();
        let answer = ask(&receiver(&store), "POST", EXPORT, headers, &body).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, GRPC.1), "{reason}");
        assert_eq!(answer.grpc().code(), Code::Ok, "{reason}: {:?}", answer.grpc());
        assert_eq!(answer.body, framed(0, b""), "{reason}");
        assert_eq!(kept(&store), 2, "{reason}");
    }
}

#[tokio::test]
async fn fit_spans_are_kept_and_the_others_told() {
    let store = store();
    let body = framed(0, &request(0..3).encode_to_vec());
    let answer = ask(&receiver(&store), "POST", EXPORT, &[GRPC], &body).await;
    let partial = ExportTraceServiceResponse::decode(&answer.body[5..]).unwrap().partial_success.unwrap();
    assert_eq!((answer.grpc().code(), partial.rejected_spans, kept(&store)), (Code::Ok, 1, 2));
    assert_eq!(answer.body, framed(0, &answer.body[5..]));
}

#[tokio::test]
async fn what_is_refused_has_the_status_of_the_protocol() {
    let bytes = request(1..3).encode_to_vec();
    let large = vec![0; 21 << 20];
    let cases: &[(&str, Headers, Vec<u8>, Code, &str)] = &[
        (EXPORT, &[GRPC], framed(0, b"hello"), Code::InvalidArgument, "in protobuf"),
        (EXPORT, &[GRPC], vec![], Code::InvalidArgument, "shorter than a message's prefix"),
        (EXPORT, &[GRPC], framed(0, &bytes)[..20].to_vec(), Code::InvalidArgument, "cut off"),
        (
            EXPORT,
            &[GRPC],
            [framed(0, &bytes), framed(0, &bytes)].concat(),
            Code::InvalidArgument,
            "more than one",
        ),
        (EXPORT, &[GRPC], framed(2, &bytes), Code::InvalidArgument, "neither 0 nor 1"),
        (EXPORT, &[GRPC], framed(1, &gzip(&bytes)), Code::InvalidArgument, "does not say how"),
        (EXPORT, &[GRPC, GZIP], framed(1, &bytes), Code::InvalidArgument, "no gzip"),
        (EXPORT, &[GRPC, GZIP], framed(1, &gzip(&large)), Code::ResourceExhausted, "more than 20971520"),
        (EXPORT, &[GRPC], framed(0, &large), Code::ResourceExhausted, "more than 20971520"),
        (EXPORT, &[GRPC, ("grpc-encoding", "zstd")], framed(1, &bytes), Code::Unimplemented, "\"zstd\""),
        ("/x.Y/Z", &[GRPC], framed(0, &bytes), Code::Unimplemented, "/x.Y/Z is not here"),
    ];
    let store = store();
    let receiver = receiver(&store);
    for (path, headers, body, code, expected) in cases {
        let answer = ask(&receiver, "POST", path, headers, body).await;
        let status = answer.grpc();
        assert_eq!((answer.status, status.code()), (200, *code), "{expected}: {status:?}");
        assert!(status.message().contains(expected), "{status:?} lacks {expected:?}");
        assert!(status.get_details_retry_info().is_none(), "{expected}: it will not go better later");
        assert_eq!(answer.header("grpc-accept-encoding"), "gzip,identity");
    }
    assert_eq!((store.stats().unwrap().received, receiver.memory_bytes()), (0, 0));
}

#[tokio::test]
async fn without_memory_the_details_say_when_to_come_again() {
    let options = ReceiverOptions { max_memory_bytes: 1_000, ..ReceiverOptions::default() };
    let receiver = Receiver::new(store(), options);
    let status = ask(&receiver, "POST", EXPORT, &[GRPC], &framed(0, b"")).await.grpc();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn its_health_can_be_asked_for() {
    let receiver = receiver(&store());
    let service = "opentelemetry.proto.collector.trace.v1.TraceService".to_owned();
    for name in [String::new(), service] {
        let answer = ask(&receiver, "POST", HEALTH, &[GRPC], &framed(0, &name.encode_to_vec())).await;
        assert_eq!((answer.grpc().code(), answer.body), (Code::Ok, framed(0, &[8, 1])), "{name}: SERVING");
    }
    let other = framed(0, &"other".to_owned().encode_to_vec());
    assert_eq!(ask(&receiver, "POST", HEALTH, &[GRPC], &other).await.grpc().code(), Code::NotFound);
    receiver.drain();
    let answer = ask(&receiver, "POST", HEALTH, &[GRPC], &framed(0, b"")).await;
    assert_eq!(answer.body, framed(0, &[8, 2]), "NOT_SERVING");
}
