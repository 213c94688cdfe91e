//! gRPC: every status in trailers and in the head alone, messages each way, failures that are not gRPC's.

use super::{Row, row};

/// One message in its frame: not compressed.
fn message(text: &str) -> String {
    let length = u8::try_from(text.len()).expect("a short message");
    format!("\0\0\0\0{}{text}", char::from(length))
}

fn call(reason: impl Into<String>) -> Row {
    let call = row(reason).method("POST").path("/emojivoto.v1.EmojiService/ListAll");
    let call = call.field("content-type", "application/grpc").field("te", "trailers");
    let mut call = call.sends(&[&message("question")]).answers(&[&message("answer")]);
    call.response.headers.clear();
    call.answer_field("content-type", "application/grpc")
}

pub(super) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for status in 0..=16 {
        let ended = call(format!("gRPC status {status} in trailers"))
            .answer_trailer("grpc-status", status.to_string());
        rows.push(if status > 0 { ended.answer_trailer("grpc-message", "it%20failed") } else { ended });
        let refused = call(format!("gRPC status {status} in the head alone")).answers(&[]);
        rows.push(refused.answer_field("grpc-status", status.to_string()).answer_field("grpc-message", "no"));
    }
    for (reason, status) in [("unknown", "17"), ("negative", "-1"), ("not a number", "OK"), ("empty", "")] {
        rows.push(call(format!("gRPC status {reason}")).answer_trailer("grpc-status", status));
    }
    rows.push(call("gRPC without a status"));
    rows.push(call("gRPC answered by plain HTTP").status(503).answers(&["unavailable"]));
    let many: Vec<String> = ["one", "two", "three"].map(message).to_vec();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    rows.push(call("gRPC client streaming").sends(&many).answer_trailer("grpc-status", "0"));
    rows.push(call("gRPC server streaming").answers(&many).answer_trailer("grpc-status", "0"));
    rows.push(call("gRPC both streaming").sends(&many).answers(&many).answer_trailer("grpc-status", "0"));
    rows.push(call("gRPC without messages").sends(&[]).answers(&[]).answer_trailer("grpc-status", "0"));
    let rich = call("gRPC with metadata")
        .field("grpc-timeout", "1S")
        .field("x-bin", "AAEC")
        .field("grpc-encoding", "identity");
    rows.push(
        rich.answer_trailer("grpc-status", "3").answer_trailer("grpc-status-details-bin", "CAMSA2JhZA"),
    );
    let mut web = call("gRPC-Web").answer_trailer("grpc-status", "0");
    web.request.headers.retain(|(name, _)| name != "content-type");
    rows.push(web.field("content-type", "application/grpc-web+proto"));
    rows
}
