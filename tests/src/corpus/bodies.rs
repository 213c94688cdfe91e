//! Bodies of several sizes and cuts, and trailers, both ways.

use super::{Row, row};

/// As text that shows where a piece is missing.
fn text(length: usize) -> String {
    (0..length.div_ceil(8)).map(|number| format!("{number:07} ")).collect::<String>()[..length].to_owned()
}

/// A body of so many bytes in so many pieces.
fn pieces(length: usize, count: usize) -> Vec<String> {
    let text = text(length);
    let most = length.div_ceil(count).max(1);
    text.as_bytes().chunks(most).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

/// Bytes, pieces; the proxy's buffer holds 16,384.
const SIZES: [(usize, usize); 14] = [
    (1, 1),
    (2, 2),
    (100, 1),
    (100, 5),
    (1_000, 1),
    (1_000, 3),
    (1_000, 5),
    (4_096, 2),
    (10_000, 1),
    (10_000, 4),
    (16_000, 2),
    (20_000, 1),
    (20_000, 4),
    (40_000, 3),
];

pub(super) fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for (length, count) in SIZES {
        let cut = pieces(length, count);
        let cut: Vec<&str> = cut.iter().map(String::as_str).collect();
        let name = format!("{length} bytes in {count} pieces");
        rows.push(row(format!("sent: {name}")).method("POST").sends(&cut));
        rows.push(row(format!("answered: {name}")).answers(&cut));
        rows.push(row(format!("both ways: {name}")).method("PUT").sends(&cut).answers(&cut));
        if count == 1 {
            let sized =
                row(format!("sized: {name}")).method("POST").field("content-length", length.to_string());
            rows.push(sized.sends(&cut).answer_field("content-length", length.to_string()).answers(&cut));
        }
    }
    rows.push(row("sent: an empty body of known length").method("POST").field("content-length", "0"));
    rows.extend(trailers());
    rows
}

fn trailers() -> Vec<Row> {
    let (one, pieces): (&[&str], &[&str]) = (&["one piece"], &["two ", "pieces"]);
    let mut rows = Vec::new();
    for (count, body) in [("one piece", one), ("two pieces", pieces)] {
        let sent = row(format!("trailers sent behind {count}")).method("POST").sends(body);
        rows.push(sent.trailer("x-checksum", "1234"));
        let answered = row(format!("trailers answered behind {count}")).answers(body);
        rows.push(answered.answer_trailer("x-checksum", "1234").answer_trailer("server-timing", "db;dur=5"));
        let both = row(format!("trailers both ways behind {count}")).method("POST").sends(body).answers(body);
        rows.push(both.trailer("x-one", "up").answer_trailer("x-one", "down"));
    }
    let many =
        row("several trailers").method("POST").sends(one).trailer("x-one", "1").trailer("x-twice", "a");
    rows.push(many.trailer("x-twice", "b").trailer("x-empty", "").trailer("X-Mixed", "Case"));
    let answered = row("several trailers answered").answers(one).answer_trailer("x-twice", "a");
    rows.push(
        answered.answer_trailer("x-twice", "b").answer_trailer("x-empty", "").answer_trailer("X-Mixed", "C"),
    );
    rows.push(row("trailers behind no body").answers(&[]).answer_trailer("x-checksum", "0"));
    rows
}
