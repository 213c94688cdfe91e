//! Jaeger's own page over our traces: the files of its build, and what its server writes into index.html.
//!
//! `JaegerUi::load("jaeger-ui/packages/jaeger-ui/build".as_ref())?` holds `/index.html`, `/static/…`
//! Source: <https://github.com/jaegertracing/jaeger/blob/main/cmd/jaeger/internal/extension/jaegerquery/internal/static_handler.go>

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::super::answers::problem;
use super::super::base::BasePath;
use crate::store::Store;

/// The page that stands for every address of the UI's own.
const INDEX: &str = "/index.html";

/// Where the page says below which path its files and its API are.
const BASE: &str = "<base href=\"/\"";

/// What Jaeger's server replaces in the page, `NAME = DEFAULT;` with or without spaces, so that the UI offers what
/// we have: no monitor, no archive, no assistant.
const SUBSTITUTIONS: [(&str, &str, &str); 4] = [
    (
        "JAEGER_CONFIG",
        "DEFAULT_CONFIG;",
        r#"{"archiveEnabled":false,"dependencies":{"menuEnabled":true},"monitor":{"menuEnabled":false}};"#,
    ),
    (
        "JAEGER_STORAGE_CAPABILITIES",
        "DEFAULT_STORAGE_CAPABILITIES;",
        r#"{"archiveStorage":false,"metricsStorage":false};"#,
    ),
    (
        "JAEGER_BACKEND_CAPABILITIES",
        "DEFAULT_BACKEND_CAPABILITIES;",
        r#"{"archiveStorage":false,"metricsStorage":false,"aiAssistant":false};"#,
    ),
    (
        "JAEGER_VERSION",
        "DEFAULT_VERSION;",
        concat!(
            r#"{"gitCommit":"","gitVersion":"meshspan "#,
            env!("CARGO_PKG_VERSION"),
            r#"","buildDate":""};"#
        ),
    ),
];

/// The files of a build of Jaeger's UI, held in memory by their paths, such as `/static/index-1.js`.
#[derive(Clone, Debug)]
pub struct JaegerUi {
    files: Arc<HashMap<String, Bytes>>,
}

/// Why a folder is no Jaeger UI.
#[derive(Debug, thiserror::Error)]
pub enum JaegerUiError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no page.
    #[error("{} has no index.html with Jaeger's configuration, expected a build of Jaeger's UI", .0.display())]
    NoPage(PathBuf),
}

impl JaegerUi {
    /// Reads all files of a build, and writes into its page what Jaeger's server does.
    ///
    /// # Errors
    /// [`JaegerUiError`] if a file cannot be read or the folder is no build of Jaeger's UI.
    pub fn load(folder: &Path) -> Result<Self, JaegerUiError> {
        // First of all: what else is in a folder that is no build may be large.
        let page = std::fs::read_to_string(folder.join("index.html")).ok();
        let page = page.filter(|page| page.contains("JAEGER_CONFIG"));
        let page = page.ok_or_else(|| JaegerUiError::NoPage(folder.to_owned()))?;
        let page = SUBSTITUTIONS
            .iter()
            .fold(page, |page, (name, default, value)| substituted(&page, name, default, value));
        let mut files = HashMap::new();
        read(folder, "", &mut files)?;
        files.insert(INDEX.to_owned(), Bytes::from(page));
        Ok(Self { files: Arc::new(files) })
    }

    /// Answers for every path that no other route has.
    pub(in crate::serve) fn router(mut self, base_path: &BasePath) -> Router<Store> {
        self.set_base(base_path);
        Router::new().fallback(get(move |uri: Uri| std::future::ready(self.answer(uri.path()))))
    }

    /// Tells the page below which path it stands. A UI since 2.17 finds out by itself.
    fn set_base(&mut self, base_path: &BasePath) {
        let files = Arc::make_mut(&mut self.files);
        if let Some(page) = files.get_mut(INDEX) {
            let text = String::from_utf8_lossy(page);
            *page = Bytes::from(text.replace(BASE, &format!("<base href=\"{base_path}/\"")));
        }
    }

    /// The file, or for an address that the UI itself knows, its page.
    fn answer(&self, path: &str) -> Response {
        let is_page = !["/api/", "/static/", "/view/"].iter().any(|prefix| path.starts_with(prefix));
        let known = self.files.get_key_value(path);
        match known.or_else(|| is_page.then(|| self.files.get_key_value(INDEX)).flatten()) {
            Some((path, bytes)) => {
                let no_sniffing = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                let kind = (header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
                ([kind, no_sniffing], bytes.clone()).into_response()
            }
            None => problem(StatusCode::NOT_FOUND, &format!("{path} is not here")).into_response(),
        }
    }
}

/// The page with `name = default` as `name = value`.
fn substituted(page: &str, name: &str, default: &str, value: &str) -> String {
    let mut parts = page.split(default);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let before = text.trim_end_matches(' ').strip_suffix('=').map(|text| text.trim_end_matches(' '));
        let is_asked = before.is_some_and(|text| text.ends_with(name));
        text.push_str(if is_asked { value } else { default });
        text.push_str(part);
    }
    text
}

/// Puts all files below `folder` to `files`.
fn read(folder: &Path, above: &str, files: &mut HashMap<String, Bytes>) -> Result<(), JaegerUiError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| JaegerUiError::Read { path, error }
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{above}/{name}");
        if path.is_dir() {
            read(&path, &name, files)?;
        } else {
            files.insert(name, std::fs::read(&path).map_err(failed(&path))?.into());
        }
    }
    Ok(())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("static")).unwrap();
        let page =
            "<script>const JAEGER_CONFIG = DEFAULT_CONFIG;\nconst JAEGER_VERSION = DEFAULT_VERSION;</script>";
        std::fs::write(folder.path().join("index.html"), page).unwrap();
        std::fs::write(folder.path().join("static/index.js"), "1").unwrap();
        folder
    }

    #[test]
    fn every_address_of_the_ui_is_its_page_with_our_configuration() {
        let folder = build();
        let ui = JaegerUi::load(folder.path()).unwrap();
        let page = String::from_utf8(ui.files[INDEX].to_vec()).unwrap();
        assert!(
            page.contains(r#""monitor":{"menuEnabled":false}"#) && page.contains("\"meshspan "),
            "{page}"
        );
        let table = [
            ("/", 200, "text/html; charset=utf-8"),
            ("/trace/ab", 200, "text/html; charset=utf-8"),
            ("/static/index.js", 200, "text/javascript; charset=utf-8"),
            ("/static/gone.js", 404, "application/json"),
            ("/static/../index.html", 404, "application/json"),
            ("/api/unknown", 404, "application/json"),
        ];
        for (path, status, kind) in table {
            let answer = ui.answer(path);
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["content-type"]),
                (status, &kind.parse().unwrap()),
                "{path}"
            );
        }
    }

    #[test]
    fn the_page_knows_its_base_path() {
        let folder = build();
        std::fs::write(
            folder.path().join("index.html"),
            "<base href=\"/\" data-inject-target=\"BASE_URL\" /> JAEGER_CONFIG",
        )
        .unwrap();
        for (base, expected) in [("/", "<base href=\"/\" "), ("/ops/traces", "<base href=\"/ops/traces/\" ")]
        {
            let mut ui = JaegerUi::load(folder.path()).unwrap();
            ui.set_base(&base.parse().unwrap());
            assert!(ui.files[INDEX].starts_with(expected.as_bytes()), "{base}");
        }
    }

    #[test]
    fn only_what_jaegers_server_looks_for_is_replaced() {
        for (page, expected) in [
            ("const A = B;", "const A = 1;"),
            ("const A=B;", "const A=1;"),
            ("let A  =   B; A = B;", "let A  =   1; A = 1;"),
            ("const B = 2; C = B; B;", "const B = 2; C = B; B;"),
        ] {
            assert_eq!(substituted(page, "A", "B;", "1;"), expected);
        }
    }

    #[test]
    fn a_folder_that_is_no_build_is_refused() {
        let folder = build();
        let missing = folder.path().join("missing");
        assert!(JaegerUi::load(&missing).unwrap_err().to_string().contains("has no index.html"));
        std::fs::write(folder.path().join("index.html"), "hello").unwrap();
        assert!(
            JaegerUi::load(folder.path())
                .unwrap_err()
                .to_string()
                .contains("expected a build of Jaeger's UI")
        );
    }
}
