//! Tables of the README that are made from the filter's own ones.

use meshspan_filter::attributes::custom::known;
use meshspan_filter::attributes::url::UrlPart;

/// What is redacted where.
pub(crate) fn urls() -> String {
    let rows = [
        (
            "URL, or its path with query",
            UrlPart::Whole,
            "without userinfo and fragment, the query as `query` says",
        ),
        ("authority", UrlPart::Authority, "without userinfo"),
        ("query", UrlPart::Query, "as `query` says; with `\"drop\"` its `default`"),
    ];
    let mut out = String::from("| what it is | headers | properties | shown |\n|---|---|---|---|\n");
    for (what, part, shown) in rows {
        let [headers, properties] = known::names(part)
            .map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        out.push_str(&format!("| {what} | {headers} | {properties} | {shown} |\n"));
    }
    out
}
