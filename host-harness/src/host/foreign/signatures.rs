//! `verify_signature` and `sign`: RSA (PKCS #1 1.5, 2048 to 8192 bits) and ECDSA (P-256, P-384), with SHA-256, -384
//! and -512. Envoy, whose library has more, also takes SHA-1, SHA-224, P-521 and smaller keys: here those fail.
//! Messages: Envoy's `source/extensions/common/wasm/ext/{verify_signature,sign}.proto`

use prost::Message;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use webpki::{RawPublicKeyEntity, ring};

use super::ForeignError;

#[derive(Clone, PartialEq, Message)]
struct VerifyArguments {
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
struct VerifyResult {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Clone, PartialEq, Message)]
struct SignArguments {
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
struct SignResult {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(string, tag = "3")]
    error: String,
}

type Algorithms = [&'static dyn SignatureVerificationAlgorithm];
/// What a hash function is used in: to verify, and to sign.
type Uses = (&'static Algorithms, &'static [SignatureScheme]);

static SHA256: &Algorithms =
    &[ring::RSA_PKCS1_2048_8192_SHA256, ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256];
static SHA384: &Algorithms =
    &[ring::RSA_PKCS1_2048_8192_SHA384, ring::ECDSA_P256_SHA384, ring::ECDSA_P384_SHA384];
static SHA512: &Algorithms = &[ring::RSA_PKCS1_2048_8192_SHA512];

fn hash_function(name: &str) -> Result<Uses, String> {
    match name.to_ascii_lowercase().as_str() {
        "sha256" => {
            Ok((SHA256, &[SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256]))
        }
        "sha384" => {
            Ok((SHA384, &[SignatureScheme::RSA_PKCS1_SHA384, SignatureScheme::ECDSA_NISTP384_SHA384]))
        }
        "sha512" => Ok((SHA512, &[SignatureScheme::RSA_PKCS1_SHA512])),
        // In Envoy's words.
        _ => Err(format!("{name} is not supported.")),
    }
}

pub(super) fn verify(arguments: &[u8]) -> Result<Vec<u8>, ForeignError> {
    let arguments: VerifyArguments = decoded(arguments)?;
    one_key("public_key", &arguments.public_key, &arguments.public_key_pem)?;
    let (result, error) = match verified(arguments) {
        Ok(()) => (true, String::new()),
        Err(error) => (false, error),
    };
    Ok(VerifyResult { result, error }.encode_to_vec())
}

fn verified(arguments: VerifyArguments) -> Result<(), String> {
    let VerifyArguments { hash_function: hash, public_key, signature, text, public_key_pem } = arguments;
    let (algorithms, _) = hash_function(&hash)?;
    let unusable = || "Failed to initialize digest verify.".to_owned();
    let key = match public_key_pem.as_bytes() {
        [] => SubjectPublicKeyInfoDer::from(public_key),
        pem => SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| unusable())?,
    };
    let key = RawPublicKeyEntity::try_from(&key).map_err(|_| unusable())?;
    let is_right = algorithms.iter().any(|known| key.verify_signature(*known, &text, &signature).is_ok());
    if is_right { Ok(()) } else { Err("Failed to verify digest. Error code: 0".to_owned()) }
}

pub(super) fn sign(arguments: &[u8]) -> Result<Vec<u8>, ForeignError> {
    let arguments: SignArguments = decoded(arguments)?;
    one_key("private_key", &arguments.private_key, &arguments.private_key_pem)?;
    let (result, signature, error) = match signed(arguments) {
        Ok(signature) => (true, signature, String::new()),
        Err(error) => (false, Vec::new(), error),
    };
    Ok(SignResult { result, signature, error }.encode_to_vec())
}

fn signed(arguments: SignArguments) -> Result<Vec<u8>, String> {
    let SignArguments { hash_function: hash, private_key, text, private_key_pem } = arguments;
    let (_, schemes) = hash_function(&hash)?;
    let unusable = || "Invalid key type: private key required for signing operation.".to_owned();
    let key = match private_key_pem.as_bytes() {
        [] => PrivateKeyDer::try_from(private_key).map_err(|_| unusable())?,
        pem => PrivateKeyDer::from_pem_slice(pem).map_err(|_| unusable())?,
    };
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|_| unusable())?;
    let failed = || "Failed to create signature.".to_owned();
    key.choose_scheme(schemes).ok_or_else(failed)?.sign(&text).map_err(|_| failed())
}

/// A key comes either as DER or as PEM.
fn one_key(name: &str, der: &[u8], pem: &str) -> Result<(), ForeignError> {
    match (der.is_empty(), pem.is_empty()) {
        (false, true) | (true, false) => Ok(()),
        _ => Err(ForeignError::BadArgument(format!("expected either {name} or {name}_pem"))),
    }
}

fn decoded<M: Message + Default>(arguments: &[u8]) -> Result<M, ForeignError> {
    M::decode(arguments).map_err(|error| ForeignError::BadArgument(error.to_string()))
}
