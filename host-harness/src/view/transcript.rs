//! A transcript as text: callbacks, the hostcalls in each, and why one was refused.
//!
//! ```text
//! proxy_on_request_headers(2, 5, 1) → 0
//!   proxy_get_property(path: "nope") → NotFound
//!     there is no such property here and now: …
//!     see https://github.com/proxy-wasm/spec/…
//! ```

use std::fmt::Write;

use crate::counted::counted;
use crate::host::{CallbackRecord, Field, HostcallRecord};

/// The callbacks as lines; with `only_failures` those in which nothing was refused are left out, and so are the
/// hostcalls that were not.
pub fn lines<'a>(callbacks: impl IntoIterator<Item = &'a CallbackRecord>, only_failures: bool) -> String {
    let mut out = String::new();
    for callback in callbacks {
        if only_failures && !callback.has_failures() {
            continue;
        }
        let returned = callback.returned.as_deref().unwrap_or("did not return");
        let returned = if returned == "()" { String::new() } else { format!(" → {returned}") };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}{}{returned}", callback.name, numbers(&callback.arguments));
        for hostcall in callback.hostcalls.iter().filter(|hostcall| !only_failures || !hostcall.is_ok()) {
            push_hostcall(&mut out, hostcall);
        }
        if callback.left_out > 0 {
            let _ = writeln!(out, "  … {} more, left out", counted(callback.left_out, "hostcall"));
        }
    }
    out
}

/// One number has no parentheses of its own.
fn numbers(arguments: &str) -> String {
    if arguments.starts_with('(') { arguments.to_owned() } else { format!("({arguments})") }
}

fn push_hostcall(out: &mut String, hostcall: &HostcallRecord) {
    let gave = if hostcall.gave.is_empty() { String::new() } else { format!(", {}", fields(&hostcall.gave)) };
    let name = &hostcall.name;
    let _ = writeln!(out, "  {name}({}) → {}{gave}", fields(&hostcall.arguments), hostcall.status);
    if let Some(why) = &hostcall.why {
        let _ = writeln!(out, "    {}\n    see {}", why.rule, why.see);
    }
}

fn fields(fields: &[Field]) -> String {
    let shown = fields.iter().map(
        |Field { name, value }| {
            if name.is_empty() { value.clone() } else { format!("{name}: {value}") }
        },
    );
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::host::Why;

    use super::*;

    fn field(name: &'static str, value: &str) -> Field {
        Field { name, value: value.to_owned() }
    }

    fn callbacks() -> Vec<CallbackRecord> {
        let found = HostcallRecord {
            name: "proxy_get_header_map_value".to_owned(),
            arguments: vec![field("map", "request headers"), field("key", "\"x-a\"")],
            result: Some(0),
            status: "OK",
            gave: vec![field("value", "\"1\"")],
            why: None,
        };
        let why = Why { rule: "there is no such property".to_owned(), see: "https://spec".to_owned() };
        let missing = HostcallRecord {
            name: "proxy_get_property".to_owned(),
            arguments: vec![field("path", "\"nope\"")],
            result: Some(1),
            status: "NotFound",
            gave: Vec::new(),
            why: Some(why),
        };
        let callback = |name, arguments: &str, hostcalls, returned: Option<&str>| CallbackRecord {
            context: 2,
            name,
            arguments: arguments.to_owned(),
            hostcalls,
            left_out: 0,
            returned: returned.map(str::to_owned),
        };
        vec![
            callback("proxy_on_request_headers", "(2, 5, 1)", vec![found.clone(), missing], Some("0")),
            callback("proxy_on_log", "2", vec![found], Some("()")),
            callback("proxy_on_delete", "2", Vec::new(), None),
        ]
    }

    const REFUSED: &str = "  proxy_get_property(path: \"nope\") → NotFound
    there is no such property
    see https://spec
";
    const FOUND: &str =
        "  proxy_get_header_map_value(map: request headers, key: \"x-a\") → OK, value: \"1\"\n";

    #[test]
    fn everything_is_shown_in_order_or_only_what_failed() {
        let (head, log) = ("proxy_on_request_headers(2, 5, 1) → 0\n", "proxy_on_log(2)\n");
        let delete = "proxy_on_delete(2) → did not return\n";
        let all = [head, FOUND, REFUSED, log, FOUND, delete].concat();
        assert_eq!(lines(&callbacks(), false), all);
        assert_eq!(lines(&callbacks(), true), [head, REFUSED, delete].concat());
        let cut = CallbackRecord { left_out: 7, ..callbacks().remove(1) };
        assert_eq!(lines([&cut], false), [log, FOUND, "  … 7 hostcalls more, left out\n"].concat());
    }
}
