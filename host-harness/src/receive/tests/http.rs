use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

use super::*;

const PATH: &str = "/v1/traces";
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

#[tokio::test]
async fn every_form_of_a_request_is_stored_and_answered_in_its_own() {
    let bytes = request(1..3).encode_to_vec();
    let json = serde_json::to_vec(&request(1..3)).unwrap();
    let by_hand = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"01010101010101010101010101010101","spanId":"0101010101010101","kind":2,"unknown":{"a":[1]}},
        {"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","startTimeUnixNano":"5"}]}]}]}"#;
    let cases: &[(Headers, &[u8], &str)] = &[
        (&[PROTOBUF], &bytes, "protobuf"),
        (&[PROTOBUF, ("content-encoding", "identity")], &bytes, "said to be plain"),
        (&[PROTOBUF, GZIP], &gzip(&bytes), "packed"),
        (&[("content-type", "Application/X-Protobuf; x=y")], &bytes, "case and parameters do not count"),
        (&[JSON], &json, "JSON"),
        (&[JSON, GZIP], &gzip(&json), "packed JSON"),
        (&[("content-type", "application/json; charset=utf-8")], by_hand, "JSON by hand"),
    ];
    for (headers, body, reason) in cases {
        let store = store();
        let answer = ask(&receiver(&store), "POST", PATH, headers, body).await;
        let json = headers[0].1.starts_with("application/json");
        let expected = if json { (JSON.1, &b"{}"[..]) } else { (PROTOBUF.1, &b""[..]) };
        assert_eq!(answer.status, 200, "{reason}: {:?}", String::from_utf8_lossy(&answer.body));
        assert_eq!((answer.header("content-type"), answer.body.as_slice()), expected, "{reason}");
        assert_eq!(kept(&store), 2, "{reason}");
    }
}

#[tokio::test]
async fn fit_spans_are_kept_and_the_others_told() {
    let store = store();
    let receiver = receiver(&store);
    let answer = ask(&receiver, "POST", PATH, &[PROTOBUF], &request(0..3).encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(answer.body.as_slice()).unwrap().partial_success;
    let partial = partial.unwrap();
    assert_eq!((answer.status, partial.rejected_spans, kept(&store)), (200, 1, 2));
    let expected = "span \"GET\" has span id \"0000000000000000\", expected 8 bytes, not all zero";
    assert_eq!(partial.error_message, expected);

    let answer = ask(&receiver, "POST", PATH, &[JSON], &serde_json::to_vec(&request(0..1)).unwrap()).await;
    let partial: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(partial["partialSuccess"]["rejectedSpans"], "1");
    assert_eq!(partial["partialSuccess"]["errorMessage"], expected);
    assert_eq!(store.stats().unwrap().received, 2, "nothing of nothing is stored");
}

#[tokio::test]
async fn an_id_that_is_not_hexadecimal_costs_its_span_alone() {
    let json = serde_json::to_string(&request(1..4)).unwrap();
    for (found, reason) in [("abc", "an odd number of digits"), ("xyz0", "no digits")] {
        let store = store();
        let body = json.replacen("\"0202020202020202\"", &format!("\"{found}\""), 1);
        let answer = ask(&receiver(&store), "POST", PATH, &[JSON], body.as_bytes()).await;
        let partial: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, kept(&store)), (200, 2), "{reason}: {partial}");
        assert_eq!(partial["partialSuccess"]["rejectedSpans"], "1", "{reason}");
        let expected = format!("an id is {found:?}, expected 16 hexadecimal digits");
        assert_eq!(partial["partialSuccess"]["errorMessage"], expected, "{reason}");
    }
}

/// Method, path, headers, body; status and a part of the message.
type Case<'a> = (&'a str, &'a str, Headers, &'a [u8], u16, &'a str);

#[tokio::test]
async fn what_is_refused_says_why_in_the_form_of_the_request() {
    let bytes = request(1..3).encode_to_vec();
    let too_many = [vec![0x0a, 0x82, 0x80, 0x80, 0x01], [0x12, 0].repeat((1 << 20) + 1)].concat();
    let cases: &[Case] = &[
        ("POST", PATH, &[PROTOBUF], &bytes[..bytes.len() - 1], 400, "cut off"),
        ("POST", PATH, &[PROTOBUF], b"hello", 400, "in protobuf: it has the key"),
        ("POST", PATH, &[PROTOBUF], &too_many, 413, "more than 1048576 messages"),
        ("POST", PATH, &[JSON], b"{\"resourceSpans\":[{]}", 400, "in JSON"),
        (
            "POST",
            PATH,
            &[JSON],
            b"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":7}]}]}]}",
            400,
            "in JSON",
        ),
        ("POST", PATH, &[JSON], &[b'{'; (1 << 20) + 1], 413, "more than 1048576 messages"),
        ("POST", PATH, &[JSON], &[b'['; 1 << 20], 400, "in JSON"),
        ("POST", PATH, &[PROTOBUF, GZIP], &bytes, 400, "no gzip"),
        ("POST", PATH, &[PROTOBUF, GZIP], &gzip(&bytes)[..20], 400, "no gzip"),
        ("POST", PATH, &[PROTOBUF, GZIP], &gzip(&vec![0; 21 << 20]), 413, "more than 20971520 bytes"),
        ("POST", PATH, &[PROTOBUF], &vec![0; (20 << 20) + 1], 413, "more than 20971520 bytes"),
        ("POST", PATH, &[PROTOBUF, ("content-encoding", "br")], &bytes, 415, "the encoding is \"br\""),
        ("POST", PATH, &[("content-type", "text/plain")], &bytes, 415, "content-type is \"text/plain\""),
        ("POST", PATH, &[], &bytes, 415, "content-type is \"\""),
        ("POST", "/v1/metrics", &[PROTOBUF], b"", 404, "/v1/metrics is not here, expected /v1/traces"),
        ("GET", PATH, &[], b"", 405, "the method is GET, expected POST"),
    ];
    let store = store();
    let receiver = receiver(&store);
    for (method, path, headers, body, status, expected) in cases {
        let answer = ask(&receiver, method, path, headers, body).await;
        assert_eq!(answer.status, *status, "{expected}");
        let message = if headers.first() == Some(&PROTOBUF) {
            assert_eq!(answer.header("content-type"), PROTOBUF.1, "{expected}");
            tonic_types::Status::decode(answer.body.as_slice()).unwrap().message
        } else {
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(problem["code"].as_i64() > Some(0), "{problem}");
            problem["message"].as_str().unwrap().to_owned()
        };
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        assert_eq!(answer.header("allow"), if *status == 405 { "POST" } else { "" });
    }
    assert_eq!((store.stats().unwrap().received, receiver.memory_bytes()), (0, 0));
}

#[tokio::test]
async fn a_token_opens_both_protocols() {
    let store = store();
    let options =
        ReceiverOptions { token: Some(Token::new("s3cret").unwrap()), ..ReceiverOptions::default() };
    let receiver = Receiver::new(store.clone(), options);
    let bytes = request(1..3).encode_to_vec();
    let answer = ask(&receiver, "POST", PATH, &[PROTOBUF], &bytes).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
    let wrong = ("authorization", "Bearer s3creT");
    assert_eq!(ask(&receiver, "POST", PATH, &[PROTOBUF, wrong], &bytes).await.status, 401);
    assert_eq!(kept(&store), 0);
    let right = ("authorization", "Bearer s3cret");
    assert_eq!(ask(&receiver, "POST", PATH, &[PROTOBUF, right], &bytes).await.status, 200);
    assert_eq!(kept(&store), 2);
}
