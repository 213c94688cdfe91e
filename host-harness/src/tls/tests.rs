//! Handshakes between our two ends, with certificates made for the occasion.

pub(crate) mod authority;
pub(crate) mod front;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use authority::Authority;

const MESH: &str = "serviceAccountName=collector,namespace=tracing";
const MESH_NAME: &str = "collector.tracing.serviceaccount.identity.linkerd.cluster.local";
const SPIFFE: &str = "spiffe://cluster.local/ns/tracing/sa/collector";

/// One byte there and back: what the client met, and whom the server saw.
async fn meet(client: &Connector, server: &Acceptor) -> (Result<(), String>, Result<Names, String>) {
    let (near, far) = duplex(1 << 16);
    tokio::join!(speak(client, near), listen(server, far))
}

async fn speak(client: &Connector, io: DuplexStream) -> Result<(), String> {
    let said = |error: std::io::Error| fault(&error).map_or(error.to_string(), |fault| fault.to_string());
    let mut stream = client.connect("localhost", io, &ANY_HTTP).await.map_err(said)?;
    stream.write_all(b"?").await.map_err(said)?;
    stream.read_u8().await.map_err(said)?;
    Ok(())
}

async fn listen(server: &Acceptor, io: DuplexStream) -> Result<Names, String> {
    let (mut stream, names) = server.accept(io).await.map_err(|error| error.to_string())?;
    let asked = stream.read_u8().await.map_err(|error| error.to_string())?;
    stream.write_all(&[asked]).await.map_err(|error| error.to_string())?;
    Ok(names)
}

fn acceptor(files: ServerFiles) -> Acceptor {
    Acceptor::new(files, &ANY_HTTP).unwrap()
}

#[tokio::test]
async fn a_server_is_who_its_certificate_says() {
    let ours = Authority::new();
    for (names, identity, expected, reason) in [
        (vec!["localhost"], None, "", "the name that was dialled"),
        (vec![MESH_NAME], Some(MESH), "", "a service account in Linkerd's words"),
        (vec![MESH_NAME], Some(MESH_NAME), "", "and in full"),
        (vec!["x.test", SPIFFE], Some(SPIFFE), "", "a SPIFFE id among others"),
        (vec!["*.x.test"], Some("y.x.test"), "", "a wildcard"),
        (
            vec!["other", SPIFFE],
            None,
            "the peer presented other, spiffe://cluster.local/ns/tracing/sa/collector, expected localhost",
            "another name",
        ),
        (
            vec!["localhost"],
            Some(MESH),
            "the peer presented localhost, expected collector.tracing.serviceaccount.",
            "the host's name does not help",
        ),
        (
            vec!["localhost", "spiffe://cluster.local/ns/tracing/sa/collector2"],
            Some(SPIFFE),
            "sa/collector2, expected spiffe://cluster.local/ns/tracing/sa/collector; check the identity",
            "a longer path is another",
        ),
        (
            vec!["127.0.0.1"],
            Some(SPIFFE),
            "the peer presented a certificate without DNS name or URI",
            "no name",
        ),
    ] {
        let server = acceptor(ours.server(ours.sign("server", &names), None));
        let client = Connector::new(ours.client(None, identity)).unwrap();
        let (met, seen) = meet(&client, &server).await;
        assert_eq!(met.is_ok(), expected.is_empty(), "{reason}: {met:?}");
        assert_eq!(seen.is_ok(), expected.is_empty(), "nothing arrives, {reason}: {seen:?}");
        let met = met.err().unwrap_or_default();
        assert!(met.contains(expected), "{reason}: {met}");
    }
}

#[tokio::test]
async fn a_client_is_let_in_by_its_name() {
    let ours = Authority::new();
    let proxy = ours.sign("proxy", &["web.emojivoto.serviceaccount.identity.linkerd.cluster.local", SPIFFE]);
    let by_name = "serviceAccountName=web,namespace=emojivoto";
    for (allowed, expected, reason) in [
        (vec![], "", "everybody whom the authority knows"),
        (vec!["x.test", by_name], "", "a DNS name"),
        (vec![SPIFFE], "", "a SPIFFE id"),
        (vec!["x.test"], "spiffe://cluster.local/ns/tracing/sa/collector, expected x.test", "another"),
        (vec!["x.test", "y.test"], "expected x.test or y.test", "others"),
    ] {
        let server = acceptor(ours.server(ours.sign("server", &["localhost"]), Some(&allowed)));
        let client = Connector::new(ours.client(Some(proxy.clone()), None)).unwrap();
        let (met, seen) = meet(&client, &server).await;
        match seen {
            Ok(names) => assert_eq!((expected, names.uris), ("", vec![SPIFFE.to_owned()]), "{reason}"),
            Err(error) => {
                assert!(!expected.is_empty() && error.contains(expected), "{reason}: {error}");
                let met = met.unwrap_err();
                assert!(met.contains("certificate_unknown; check that the identity"), "{met}");
            }
        }
    }
}

#[tokio::test]
async fn faults_are_told_to_both_sides() {
    let (ours, theirs, double) = (Authority::new(), Authority::named("theirs"), Authority::new());
    let good = || ours.sign("server", &["localhost"]);
    for (server, client, at_client, at_server) in [
        (
            ours.server(ours.sign_expired("expired", &["localhost"]), None),
            ours.client(None, None),
            "certificate expired: verification time",
            "the peer refused: certificate_expired; renew the certificate that is shown",
        ),
        (
            theirs.server(theirs.sign("server", &["localhost"]), None),
            ours.client(None, None),
            "signed by nobody who is believed here; give the certificate of its authority",
            "the peer refused: unknown_ca; show it a certificate",
        ),
        (
            double.server(double.sign("server", &["localhost"]), None),
            ours.client(None, None),
            "is not signed by the authority that is believed here; another one has the same name",
            "the peer refused: decrypt_error; see the peer's log",
        ),
        (
            ours.server(good(), Some(&[])),
            ours.client(None, None),
            "the peer refused: certificate_required; give a certificate and its key",
            "the peer presented no certificate; it has to be given one",
        ),
        (
            ours.server(good(), Some(&[])),
            ours.client(Some(theirs.sign("client", &["x.test"])), None),
            "the peer refused: unknown_ca; show it a certificate",
            "signed by nobody who is believed here",
        ),
        (
            ours.server(good(), Some(&[])),
            ours.client(Some(ours.sign_expired("client", &["x.test"])), None),
            "the peer refused: certificate_expired; renew the certificate",
            "certificate expired: verification time",
        ),
    ] {
        let (met, seen) = meet(&Connector::new(client).unwrap(), &acceptor(server)).await;
        let (met, seen) = (met.unwrap_err(), seen.unwrap_err());
        assert!(met.contains(at_client), "{met} lacks {at_client}");
        assert!(seen.contains(at_server), "{seen} lacks {at_server}");
    }
}

#[tokio::test]
async fn plain_text_is_no_tls() {
    let ours = Authority::new();
    let server = acceptor(ours.server(ours.sign("server", &["localhost"]), None));
    let (mut near, far) = duplex(1 << 16);
    near.write_all(b"POST /v1/traces HTTP/1.1\r\n\r\n").await.unwrap();
    let error = server.accept(far).await.unwrap_err().to_string();
    assert!(error.starts_with("the peer does not speak TLS"), "{error}");

    let client = Connector::new(ours.client(None, None)).unwrap();
    let (near, mut far) = duplex(1 << 16);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let error = speak(&client, near).await.unwrap_err();
    assert_eq!(error, "the peer does not speak TLS; check the port, or use http:// if plain text is meant");
}

#[tokio::test]
async fn files_that_change_count_from_the_next_connection_on() {
    let ours = Authority::new();
    let own = ours.sign("server", &["localhost", "spiffe://a/first"]);
    let server = acceptor(ours.server(own.clone(), None));
    let client = |id: &str| Connector::new(ours.client(None, Some(id))).unwrap();
    assert_eq!(meet(&client("spiffe://a/first"), &server).await.0, Ok(()));

    ours.sign("server", &["localhost", "spiffe://a/second-and-longer"]);
    assert_eq!(meet(&client("spiffe://a/second-and-longer"), &server).await.0, Ok(()), "no restart");

    std::fs::write(&own.0, "broken").unwrap();
    assert_eq!(meet(&client("spiffe://a/second-and-longer"), &server).await.0, Ok(()), "the old one is kept");
    std::fs::remove_file(&own.0).unwrap();
    assert_eq!(meet(&client("spiffe://a/second-and-longer"), &server).await.0, Ok(()), "without a file, too");

    ours.sign("server", &["localhost", "spiffe://a/third"]);
    assert_eq!(meet(&client("spiffe://a/third"), &server).await.0, Ok(()), "and a good one is taken");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let ours = Authority::new();
    let (own, other) = (ours.sign("server", &["localhost"]), ours.sign("other", &["localhost"]));
    let (empty, missing) = (ours.path("empty.pem"), ours.path("missing.pem"));
    std::fs::write(&empty, "no PEM").unwrap();
    for (certificate, key, expected) in [
        (missing, own.1.clone(), "missing.pem: "),
        (empty.clone(), own.1.clone(), "empty.pem: no certificate in it, expected PEM"),
        (own.0.clone(), empty, "empty.pem: "),
        (own.0.clone(), other.1, "the certificate cannot be used: "),
        (own.1.clone(), own.1, "server.key: no certificate in it"),
    ] {
        let error = Acceptor::new(ours.server((certificate, key), None), &ANY_HTTP).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
}
