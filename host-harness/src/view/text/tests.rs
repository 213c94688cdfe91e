use anstream::adapter::strip_str;

use super::*;
use crate::{
    collect::{SpanKind, SpanRecord, Status},
    view::{
        tests::{app, inbound, outbound},
        traces,
    },
};

const US: u64 = 1_000;

fn spans() -> Vec<SpanRecord> {
    let code = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    vec![
        app(1, None, SpanKind::Client, 0, 1_000 * US),
        outbound(2, 1, SpanKind::Server, 10 * US, 490 * US),
        SpanRecord {
            attributes: code("http.response.status_code", "200"),
            ..outbound(3, 2, SpanKind::Client, 20 * US, 480 * US)
        },
        SpanRecord {
            name: "emojivoto.v1.VotingService/VoteDoughnut".to_owned(),
            status: Status::Error("no".to_owned()),
            attributes: code("rpc.response.status_code", "UNKNOWN"),
            ..inbound(4, 1, SpanKind::Server, 500 * US, 900 * US)
        },
        inbound(5, 4, SpanKind::Client, 600 * US, 800 * US),
        SpanRecord {
            service: "größe 日本".to_owned(),
            ..app(6, Some(9), SpanKind::Internal, 950 * US, 1_000 * US)
        },
    ]
}

fn plain(width: usize) -> String {
    strip_str(&waterfall(&traces(spans()).remove(0), width)).to_string()
}

#[test]
fn a_waterfall_is_a_picture() {
    let expected = "\
GET · trace 01010101010101010101010101010101 · 6 spans · 3 services · 1.00ms · 1 error · 1 orphan
span                                     service    kind             start duration   proxy status
GET                                      web        client             0ns   1.00ms                       ████████████████████
├GET                                     web        outbound server 10.0µs    480µs +20.0µs               ▒▒▒▒▒▒▒▒▒
│└GET                                    web        outbound client 20.0µs    460µs         200           ▒▒▒▒▒▒▒▒▒
└emojivoto.v1.VotingService/VoteDoughnut emoji      inbound server   500µs    400µs  +200µs error UNKNOWN           ▒▒▒▒▒▒▒▒
 └GET                                    emoji      inbound client   600µs    200µs                                   ▒▒▒▒
⚠ GET                                    größe 日本 internal         950µs   50.0µs                                          █
proxies 220µs (20.9%) in 2 passes · application 710µs (67.6%) · wire 120µs (11.4%)
";
    assert_eq!(plain(126), expected);
}

#[test]
fn no_row_is_wider_than_the_terminal() {
    for width in [MIN_WIDTH, 100, 120, 200] {
        for line in plain(width).lines().skip(1).take(7) {
            let columns = line.width();
            assert!(columns <= width, "{columns} of {width} columns: {line}");
            assert_eq!(line.trim_end(), line, "no space at the end");
        }
    }
    assert!(plain(MIN_WIDTH).contains("└emojivoto.v1… emoji "), "names are cut: {}", plain(MIN_WIDTH));
    assert_eq!(plain(1), plain(MIN_WIDTH));
}

#[test]
fn colours_mark_errors_and_control_characters_stay_out() {
    let mut spans = spans();
    spans[3].name = "x\u{1b}[2Jy\n".to_owned();
    let text = waterfall(&traces(spans).remove(0), 120);
    assert!(text.contains(&format!("{RED}error UNKNOWN")), "{text:?}");
    assert!(!text.contains("\u{1b}[2J"), "{text:?}");
    assert_eq!(text.lines().count(), 9);
}

#[test]
fn a_trace_of_no_length_has_bars() {
    let trace = traces(vec![app(1, None, SpanKind::Internal, 5, 5)]).remove(0);
    assert!(waterfall(&trace, 120).contains('█'));
}
