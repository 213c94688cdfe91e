//! Whom a viewer on loopback answers: a page of another site must not read traces by a name that it lets
//! point to this machine (DNS rebinding).

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::answers::problem;

/// Refuses requests for any other name than `localhost` or an address.
pub(super) async fn local_hosts_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host =
        host.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default();
    if is_local(host) {
        return next.run(request).await;
    }
    let message =
        format!("this viewer listens on loopback and answers for localhost or an address, not for {host:?}");
    problem(StatusCode::FORBIDDEN, &message).into_response()
}

fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in
            ["localhost", "localhost:16686", "a.localhost:1", "127.0.0.1:16686", "[::1]:16686", "10.0.0.1"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:16686", "localhost.evil.example", "127.0.0.1.evil.example:80"]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
