//! Envoy's foreign functions, called by one guest in a real Envoy and in the harness: status and result are the same.

use std::collections::BTreeMap;

use meshspan::host::HeaderMap;
use meshspan::vm::{Filter, Limits, PluginOptions};
use meshspan_tests::client::Request;
use meshspan_tests::envoy::Config;
use meshspan_tests::process::free_port;
use meshspan_tests::upstream::Upstream;
use meshspan_tests::{guests, live, wait};
use prost::Message;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData};

const BOOTSTRAP: &str = include_str!("../../envoy/guests.yaml");
const LISTENER: &str = include_str!("../../envoy/roots-listener.yaml");

/// The messages of both functions have the same shape but for the numbers.
#[derive(Clone, PartialEq, Message)]
struct Verify {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
    #[prost(string, tag = "5")]
    public_key_pem: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sign {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    private_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    text: Vec<u8>,
    #[prost(string, tag = "4")]
    private_key_pem: String,
}

#[derive(Clone, PartialEq, Message)]
struct Signed {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(string, tag = "3")]
    error: String,
}

/// What a call is about, the function and its argument.
type Row = (String, &'static str, Vec<u8>);

const TEXT: &[u8] = b"what is signed";

/// Calls that must have the same answer.
fn equal() -> Vec<Row> {
    let rsa = std::fs::read_to_string(live::tls("rsa.pem")).unwrap();
    let rsa = KeyPair::from_pem(&rsa).unwrap();
    let [p256, p384] =
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384].map(|kind| KeyPair::generate_for(kind).unwrap());
    let mut rows = Vec::new();
    for (kind, key, hash) in [("RSA", &rsa, "sha256"), ("P-256", &p256, "sha256"), ("P-384", &p384, "SHA384")]
    {
        let signing = Sign {
            hash_function: hash.into(),
            private_key: key.serialize_der(),
            text: TEXT.into(),
            ..Sign::default()
        };
        let answer = ours(&[(String::new(), "sign", signing.encode_to_vec())]);
        let signature = answer[0].strip_prefix("0 ").expect("it is signed");
        let Signed { result, signature, error } = Signed::decode(&*hex::decode(signature).unwrap()).unwrap();
        assert!(result && error.is_empty() && !signature.is_empty(), "{kind}: {error}");
        let right = Verify {
            hash_function: hash.into(),
            public_key: key.subject_public_key_info(),
            signature,
            text: TEXT.into(),
            ..Verify::default()
        };
        let pem = Verify { public_key: Vec::new(), public_key_pem: key.public_key_pem(), ..right.clone() };
        let wrong = Verify { text: b"another text".into(), ..right.clone() };
        let torn = Verify { signature: right.signature[1..].into(), ..right.clone() };
        let cases = [("right", &right), ("right, PEM", &pem), ("another text", &wrong), ("torn", &torn)];
        rows.extend(
            cases.map(|(what, case)| (format!("{kind}, {what}"), "verify_signature", case.encode_to_vec())),
        );
        let odd = [
            ("an unknown hash", Verify { hash_function: "md5".into(), ..right.clone() }),
            ("no key", Verify { public_key: Vec::new(), ..right.clone() }),
            ("both keys", Verify { public_key_pem: key.public_key_pem(), ..right.clone() }),
        ];
        rows.extend(
            odd.map(|(what, case)| (format!("{kind}, {what}"), "verify_signature", case.encode_to_vec())),
        );
    }
    for hash in ["sha256", "sha384", "sha512", "Sha512", "md5", ""] {
        let der = Sign {
            hash_function: hash.into(),
            private_key: rsa.serialize_der(),
            text: TEXT.into(),
            ..Sign::default()
        };
        let pem = Sign { private_key: Vec::new(), private_key_pem: rsa.serialize_pem(), ..der.clone() };
        rows.push((format!("RSA with {hash:?}"), "sign", der.encode_to_vec()));
        rows.push((format!("RSA with {hash:?}, PEM"), "sign", pem.encode_to_vec()));
    }
    let texts: [(&str, &str, &[u8]); 18] = [
        ("the first expression", "expr_create", b"'value of ' + string(7 * 6)"),
        ("its value", "expr_evaluate", &[0, 0, 0, 0]),
        ("no expression", "expr_create", b"1 +"),
        ("no function", "expr_create", b"f(1)"),
        ("an expression, where the refused one has used up a number", "expr_create", b"2"),
        ("a number that none has", "expr_evaluate", &[1, 0, 0, 0]),
        ("no number", "expr_evaluate", b"abc"),
        ("an expression that is not there", "expr_delete", &[9, 0, 0, 0]),
        ("the first one", "expr_delete", &[0, 0, 0, 0]),
        ("no number", "expr_delete", b""),
        ("no message", "sign", b"\x0a"),
        ("no message", "verify_signature", b"\x0a"),
        ("nothing", "sign", b""),
        ("nothing", "verify_signature", b""),
        ("no zlib", "uncompress", b"no zlib"),
        ("zlib of nothing", "uncompress", b"\x78\x9c\x03\x00\x00\x00\x00\x01"),
        ("nothing to do", "clear_route_cache", b""),
        ("unknown", "no_function", b""),
    ];
    rows.extend(texts.map(|(what, name, argument)| (what.to_owned(), name, argument.to_vec())));
    rows
}

/// Calls that have another answer, and why.
fn different() -> Vec<(Row, &'static str)> {
    const LIBRARY: &str = "Envoy's library has hash functions that ours has not";
    let rsa = KeyPair::from_pem(&std::fs::read_to_string(live::tls("rsa.pem")).unwrap()).unwrap();
    let sha1 = Sign {
        hash_function: "sha1".into(),
        private_key: rsa.serialize_der(),
        text: TEXT.into(),
        ..Sign::default()
    };
    vec![(("SHA-1".to_owned(), "sign", sha1.encode_to_vec()), LIBRARY)]
}

#[test]
fn foreign_functions_answer_as_envoys() {
    let (equal, different) = (equal(), different());
    let rows: Vec<Row> = equal.iter().cloned().chain(different.iter().map(|(row, _)| row.clone())).collect();
    let (theirs, ours) = (envoys(&rows), ours(&rows));
    assert_eq!(theirs.len(), rows.len());
    let mut wrong = Vec::new();
    for (((what, name, _), theirs), ours) in equal.iter().zip(&theirs).zip(&ours) {
        if theirs != ours {
            wrong.push(format!("{name}, {what}: Envoy {theirs}, the harness {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (place, ((what, name, _), reason)) in different.iter().enumerate() {
        let place = equal.len() + place;
        assert_ne!(theirs[place], ours[place], "{name}, {what} does not differ any more: {reason}");
        println!("{name}, {what}: Envoy {}, the harness {}: {reason}", theirs[place], ours[place]);
    }
}

/// The answers in a real Envoy: status, and the result in hex.
fn envoys(rows: &[Row]) -> Vec<String> {
    let (upstream, port) = (Upstream::start(), free_port());
    let listener = LISTENER.replace("PORT", &port.to_string()).replace("value: roots", "value: foreign");
    let yaml = BOOTSTRAP.replace("\nLISTENERS\n", &format!("\n{listener}"));
    let envoy = Config::of(yaml).filter(&guests::wasm()).port(8080, upstream.port()).start();
    for (number, (_, name, argument)) in rows.iter().enumerate() {
        let request = Request::get("/").header("x-exchange", number.to_string());
        let request = request.header("x-function", name).header("x-argument", hex::encode(argument));
        assert_eq!(request.send_http1(port).status, 200);
    }
    let prefix = "] wasm log plugin one one both: ";
    wait::until("every answer", || {
        let log = envoy.log();
        let found = answers(log.lines().filter_map(|line| Some(line.split_once(prefix)?.1)));
        (found.len() == rows.len()).then_some(found)
    })
}

/// The answers in the harness.
fn ours(rows: &[Row]) -> Vec<String> {
    let filter = Filter::compile(&guests::wasm(), Limits::default()).unwrap();
    let options = PluginOptions { configuration: b"foreign".into(), ..PluginOptions::default() };
    let mut vm = filter.start(options).unwrap();
    for (number, (_, name, argument)) in rows.iter().enumerate() {
        let head = HeaderMap::from_pairs([
            ("x-exchange", number.to_string().as_str()),
            ("x-function", name),
            ("x-argument", &hex::encode(argument)),
        ]);
        let stream = vm.open_stream().unwrap();
        vm.request_headers(stream, head, true).unwrap();
        vm.close_stream(stream).unwrap();
    }
    let lines = vm.take_logs();
    answers(lines.iter().map(|line| line.message.as_str()))
}

/// The lines `CONTEXT NAME → ANSWER`, by context.
fn answers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let answer = |line: &str| {
        let (context, told) = line.split_once(' ')?;
        let (_, answer) = told.split_once(" → ")?;
        Some((context.parse::<u32>().ok()?, answer.to_owned()))
    };
    lines.filter_map(answer).collect::<BTreeMap<_, _>>().into_values().collect()
}
