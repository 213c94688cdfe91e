//! Targets, authorities, forwarding headers and path templates: no secret shows, parts are parts of the whole.

use meshspan_filter::attributes::address::{HostPort, original, split_userinfo};
use meshspan_filter::attributes::route::PathTemplate;
use meshspan_filter::attributes::url::{QueryPolicy, Target, UrlPart, percent_decode, record_full};
use meshspan_filter::attributes::{Attributes, Value};

use super::lines::HeaderList;

/// Target, authority and template, one a line; then headers.
pub fn check(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (target, authority, template) = (line(), line(), line());
    let headers = HeaderList::parse(line());
    check_target(target, authority);
    check_shown(target, authority);
    check_host(authority);
    check_template(template, Target::parse(target).path);
    for (parameter, header) in [("host", "x-forwarded-host"), ("proto", "x-forwarded-proto")] {
        let first = |name| headers.headers().first(name);
        if let Some(value) = original(first("forwarded"), parameter, first(header)) {
            assert!(!value.is_empty());
            check_host(value);
        }
    }
}

fn check_target(text: &[u8], authority: &[u8]) {
    let target = Target::parse(text);
    assert!(!target.path.contains(&b'?') && !target.path.contains(&b'#'));
    let redact = QueryPolicy::default();
    let shown = redact.apply(target.query.unwrap_or_default()).expect("it is shown");
    assert_eq!(redact.apply(&shown), Some(shown.clone()), "redacting twice is redacting");
    for parameter in shown.split(|byte| *byte == b'&') {
        let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
        let secret = matches!(
            percent_decode(&parameter[..at]).as_slice(),
            b"sig" | b"Signature" | b"AWSAccessKeyId" | b"X-Amz-Signature" | b"X-Goog-Signature"
        );
        assert!(!secret || &parameter[at + 1..] == b"REDACTED", "rule 33: a secret shows");
    }
    if authority.is_ascii() && target.path.is_ascii() {
        check_url(target, authority);
    }
}

/// What others wrote shows no more than what the filter writes itself, and shows it the second time, too.
fn check_shown(target: &[u8], authority: &[u8]) {
    let policy = QueryPolicy::default();
    for part in [UrlPart::Whole, UrlPart::Authority, UrlPart::Query] {
        for text in [target, authority] {
            let shown = part.show(text, &policy).expect("it is shown");
            assert_eq!(part.show(&shown, &policy).as_deref(), Some(&shown[..]), "{part:?}");
        }
    }
    let host = split_userinfo(authority).1;
    let shown = UrlPart::Authority.show(authority, &policy).expect("it is shown");
    assert!(shown == host || shown == [b"REDACTED:REDACTED@", host].concat());
    let Target { authority, path, query } = Target::parse(target);
    let rebuilt =
        query.map_or(path.to_vec(), |query| [path, b"?", &policy.apply(query).expect("shown")].concat());
    if let Some(authority) = authority {
        let host = UrlPart::Authority.show(authority, &policy).expect("it is shown");
        let shown = UrlPart::Whole.show(target, &policy).expect("it is shown");
        assert!(shown.ends_with(&[&host[..], &rebuilt[..]].concat()), "as url.full has it");
    }
}

fn check_url(target: Target<'_>, authority: &[u8]) {
    let mut attributes = Attributes::new();
    record_full(&mut attributes, "url", ("http", authority), target, &QueryPolicy::Drop);
    let Some(Value::Str(url)) = attributes.find("url") else { panic!("no URL") };
    let url = url.as_bytes();
    let (userinfo, host) = split_userinfo(authority);
    assert!(url.ends_with(target.path));
    match userinfo {
        Some(_) if !host.is_empty() => assert!(url.starts_with(b"http://REDACTED:REDACTED@")),
        None if !host.is_empty() => assert!(url.starts_with(&[b"http://", host].concat())),
        _ => assert_eq!(url, target.path),
    }
}

fn check_host(authority: &[u8]) {
    let Some(parsed) = HostPort::parse(authority) else { return };
    assert!(!parsed.host.is_empty());
    assert!(authority.windows(parsed.host.len()).any(|part| part == parsed.host), "a part of the whole");
}

fn check_template(text: &[u8], path: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(template) = PathTemplate::parse(text) else { return };
    assert_eq!(PathTemplate::parse(template.as_str()).as_ref(), Ok(&template));
    let filled: Vec<&str> =
        text.split('/').map(|part| if part.starts_with('{') { "42" } else { part }).collect();
    assert!(template.matches(filled.join("/").as_bytes()), "{text} fits itself");
    if template.matches(path) {
        assert_eq!(path.split(|byte| *byte == b'/').count(), filled.len());
    }
}
