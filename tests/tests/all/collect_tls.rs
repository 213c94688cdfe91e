//! Two collectors, one behind the other, with a mesh's identities on the link between them.

use std::path::{Path, PathBuf};

use meshspan_tests::collect::Collect;
use meshspan_tests::{demo, wait};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};

const COLLECTOR: &str = "spiffe://cluster.local/ns/tracing/sa/collector";
const AGENT: &str = "spiffe://cluster.local/ns/tracing/sa/agent";

/// An authority, and a directory with its certificate.
struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { directory, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate with this SPIFFE id, and its key.
    fn sign(&self, file: &str, id: &str) -> [PathBuf; 2] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names.push(SanType::URI(id.try_into().unwrap()));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let files = [self.path(&format!("{file}.pem")), self.path(&format!("{file}.key"))];
        std::fs::write(&files[0], params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn only_the_right_agent_sends_and_only_to_the_right_collector() {
    let authority = Authority::new();
    let ca = authority.path("ca.pem");
    let [certificate, key] = authority.sign("collector", COLLECTOR);
    let behind = Collect::start(&[
        "--in-memory",
        "--tls-cert",
        text(&certificate),
        "--tls-key",
        text(&key),
        "--client-ca",
        text(&ca),
        "--client-identity",
        AGENT,
    ]);
    let forward = |own: &str, id: &str, expected: &str| {
        let [certificate, key] = authority.sign(own, id);
        format!(
            "https://127.0.0.1:{},name={own},protocol=grpc,ca={},cert={},key={},identity={expected}",
            behind.ports().grpc,
            text(&ca),
            text(&certificate),
            text(&key)
        )
    };
    let right = forward("right", AGENT, COLLECTOR);
    let other = forward("other", "spiffe://cluster.local/ns/other/sa/agent", COLLECTOR);
    let mistaken = forward("mistaken", AGENT, "spiffe://cluster.local/ns/other/sa/collector");
    let front = Collect::start(&[
        "--in-memory",
        "--drain-timeout",
        "1",
        "--forward",
        &right,
        "--forward",
        &other,
        "--forward",
        &mistaken,
    ]);
    let endpoint = format!("http://127.0.0.1:{}", front.ports().grpc);
    let mut sent = demo::run(&["--otlp-endpoint", &endpoint, "--otlp-protocol", "grpc"]);
    let mut received = behind.wait_for(sent.len());
    sent.sort();
    received.sort();
    assert_eq!(received, sent, "once, from the one that may");
    let exported = |name: &str| {
        format!("meshspan_destination_spans_total{{destination=\"{name}\",outcome=\"exported\"}}")
    };
    wait::until("the right one to be settled", || {
        (front.metrics()[&exported("right")] == sent.len() as f64).then_some(())
    });
    let metrics = front.metrics();
    assert_eq!((metrics[&exported("other")], metrics[&exported("mistaken")]), (0.0, 0.0));
}
