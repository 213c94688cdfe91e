//! The web page: one document, one script, one style, all within the program.
//!
//! An exported trace is the same page with style, script and trace inside it, which needs no server.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;

use super::answers::{problem, trace_id};
use super::base::BasePath;
use crate::store::Store;
use crate::view::document::Document;

const PAGE: &str = include_str!("../../page/index.html");
const STYLE: &str = include_str!("../../page/style.css");
const ICON: &str = include_str!("../../page/icon.svg");
/// Parts of one module, in the order of their use.
const SCRIPT: &str = concat!(
    include_str!("../../page/format.js"),
    include_str!("../../page/api.js"),
    include_str!("../../page/jaeger.js"),
    include_str!("../../page/scatter.js"),
    include_str!("../../page/search.js"),
    include_str!("../../page/rows.js"),
    include_str!("../../page/waterfall.js"),
    include_str!("../../page/details.js"),
    include_str!("../../page/trace.js"),
    include_str!("../../page/graph.js"),
    include_str!("../../page/views.js"),
    include_str!("../../page/main.js"),
);

/// Nothing from anywhere else, and in nobody's frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
const NO_SNIFFING: (HeaderName, HeaderValue) =
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

/// Where spans may be sent to, for the page to say so when it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverPorts {
    /// OTLP over gRPC.
    pub grpc: u16,
    /// OTLP over HTTP.
    pub http: u16,
}

/// The page's addresses, each with or without a slash at its end, which are all the same page, and what it
/// consists of. Any other address is the page, too, which says that it is none.
pub(super) fn router(base: &BasePath, receivers: Option<ReceiverPorts>) -> Router<Store> {
    let search = format!("{base}/search");
    let (known, of_trace, unknown) = (page(base, receivers), page(base, receivers), page(base, receivers));
    let page = get(move || std::future::ready(answer(StatusCode::OK, &known)));
    let trace = get(move |id: Result<Path<String>, PathRejection>| {
        let status =
            if id.is_ok_and(|Path(id)| is_of_trace(&id)) { StatusCode::OK } else { StatusCode::NOT_FOUND };
        std::future::ready(answer(status, &of_trace))
    });
    let pages = ["/search", "/dependencies", "/compare", "/upload"].map(|path| (path, page.clone()));
    let pages = pages.into_iter().chain([("/trace/{id}", trace)]);
    let router = pages.fold(Router::new(), |router, (path, page)| {
        router.route(path, page.clone()).route(&format!("{path}/"), page)
    });
    router
        .route("/", get(move || std::future::ready(Redirect::to(&search))))
        .route("/page.js", get(script))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
        .fallback(get(move |uri: Uri| std::future::ready(not_found(&uri, &unknown))))
}

/// Whether a trace may have this address: its id, behind a file's number where it is one of those that the page was
/// given. Two ids with dots between them are Jaeger's comparison, which the page makes its own.
fn is_of_trace(address: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let id = address.split_once(':').filter(|(file, _)| is_number(file)).map_or(address, |(_, id)| id);
    trace_id(id).is_ok() || address.contains("...")
}

fn answer(status: StatusCode, page: &Bytes) -> Response {
    (status, [(header::CONTENT_SECURITY_POLICY, POLICY), NO_SNIFFING], Html(page.clone())).into_response()
}

/// In JSON where the page asks, else the page.
fn not_found(uri: &Uri, page: &Bytes) -> Response {
    let path = uri.path();
    match path.starts_with("/view/") {
        true => problem(StatusCode::NOT_FOUND, &format!("{path} is not here")).into_response(),
        false => answer(StatusCode::NOT_FOUND, page),
    }
}

fn page(base: &BasePath, receivers: Option<ReceiverPorts>) -> Bytes {
    let receivers =
        receivers.map_or_else(String::new, |ReceiverPorts { grpc, http }| format!("{grpc} {http}"));
    let page = PAGE
        .replace(
            "<!--style-->",
            "<link rel=\"icon\" type=\"image/svg+xml\" href=\"{base}/icon.svg\">\n\
             <link rel=\"stylesheet\" href=\"{base}/style.css\">",
        )
        .replace("<!--script-->", "<script type=\"module\" src=\"{base}/page.js\"></script>");
    Bytes::from(page.replace("{base}", base.as_str()).replace("{receivers}", &receivers))
}

async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")), NO_SNIFFING],
        SCRIPT,
    )
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")), NO_SNIFFING], STYLE)
}

async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")), NO_SNIFFING], ICON)
}

/// A trace as one HTML file, which asks nobody for anything.
pub fn trace_page(document: &Document) -> String {
    // A Document has string keys only, so serde_json has nothing to refuse. `<` could end the element.
    let json = serde_json::to_string(document).unwrap_or_default().replace('<', "\\u003c");
    let script = format!(
        "<script type=\"application/json\" id=\"trace\">{json}</script>\n<script type=\"module\">\n{SCRIPT}</script>"
    );
    let style = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; \
         style-src 'unsafe-inline'\">\n<style>\n{STYLE}</style>"
    );
    let page = PAGE.replace("{base}", "").replace("{receivers}", "");
    page.replace("<!--style-->", &style).replace("<!--script-->", &script)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::{SpanKind, SpanRecord};
    use crate::view::tests::app;
    use crate::view::traces;

    #[test]
    fn an_exported_page_carries_all_and_nothing_breaks_out() {
        let name = "</script><script>alert(1)".to_owned();
        let trace = traces(vec![SpanRecord { name, ..app(1, None, SpanKind::Server, 0, 9) }]).remove(0);
        let page = trace_page(&Document::from(&trace));
        assert!(!page.contains("</script><script>alert"), "a span's name is data");
        assert!(page.contains("\\u003c/script>\\u003cscript>alert(1)"));
        for missing in ["<!--style-->", "<!--script-->", "src=\"/", "href=\"/style.css\""] {
            assert!(!page.contains(missing), "{missing}");
        }
    }

    #[test]
    fn the_script_cannot_end_its_own_element() {
        assert!(!SCRIPT.contains("</script"));
        assert!(!STYLE.contains("</style"));
    }
}
