//! A destination as `--forward` gives it.
//! `http://otel:4318,compression=gzip,header.x-tenant=a` → OTLP/HTTP with gzip and one header

use std::time::{Duration, SystemTime};

use crate::{
    export::{ConfigError, ExportFlags, ExporterConfig, Form, Setting, compression, headers, millis},
    tls::{Identity, IdentityError},
};

const FLAG: &str = "--forward";
const KEYS: &str = "name, protocol, compression, timeout, ca, cert, key, identity, header.NAME, or \
                    serviceAccountName, namespace, trustDomain and linkerdNamespace";

/// The longest wait between attempts: what is down for long is asked twice a minute.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Where spans are sent on to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// In the store, logs and metrics; another name starts anew.
    pub name: String,
    /// How it is reached. Attempts do not end as its retry policy has it: what can be retried is, as long as the
    /// store keeps it.
    pub config: ExporterConfig,
}

/// Text that is no [`Destination`].
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// A setting that there is not.
    #[error("--forward: {found:?} is no setting, expected URL,KEY=VALUE,… with the keys {KEYS}")]
    Key {
        /// What stands there.
        found: String,
    },
    /// A value that the setting does not take.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nobody can be called so.
    #[error("--forward: {0}")]
    Identity(#[from] IdentityError),
}

impl Destination {
    /// Reads `URL[,KEY=VALUE…]`. Only what stands there counts, no variable of the environment: a token that was
    /// meant for one collector goes to no other. A comma within a value is written `%2C`.
    ///
    /// # Errors
    /// [`DestinationError`] names the setting, what was found and what is allowed.
    pub fn parse(text: &str, wall_clock: fn() -> SystemTime) -> Result<Self, DestinationError> {
        let mut parts = text.split(',').map(str::trim);
        let url = parts.next().unwrap_or_default();
        let mut written = Written::default();
        for part in parts.filter(|part| !part.is_empty()) {
            let (key, value) =
                part.split_once('=').ok_or_else(|| DestinationError::Key { found: part.to_owned() })?;
            written.read(key.trim(), value.trim())?;
        }
        let flags = written.flags()?;
        let mut config =
            ExporterConfig::at(&Setting::new(FLAG, url), Form::General, &flags, &|_| None, wall_clock)?;
        if let Some(setting) = written.setting("compression") {
            config.compression =
                compression(&setting.value).ok_or_else(|| setting.invalid("gzip or none"))?;
        }
        if let Some(setting) = written.setting("timeout") {
            config.timeout =
                millis(&setting.value).ok_or_else(|| setting.invalid("milliseconds, 1 or more"))?;
        }
        config.retry.max_backoff = MAX_BACKOFF;
        config.headers = headers(&Setting::new("--forward header", &written.headers.join(",")))?;
        let name = written.value("name").map_or_else(|| config.endpoint.to_string(), str::to_owned);
        Ok(Self { name, config })
    }
}

/// The settings behind the URL.
#[derive(Default)]
struct Written {
    values: Vec<(&'static str, String)>,
    headers: Vec<String>,
    /// In Linkerd's words, as an identity is read.
    mesh: Vec<String>,
}

impl Written {
    fn read(&mut self, key: &str, value: &str) -> Result<(), DestinationError> {
        const PLAIN: [&str; 8] =
            ["name", "protocol", "compression", "timeout", "ca", "cert", "key", "identity"];
        const MESH: [&str; 4] = ["serviceAccountName", "namespace", "trustDomain", "linkerdNamespace"];
        if let Some(known) = PLAIN.into_iter().find(|known| *known == key) {
            self.values.push((known, value.replace("%2C", ",")));
        } else if MESH.contains(&key) {
            self.mesh.push(format!("{key}={value}"));
        } else if let Some(name) = key.strip_prefix("header.") {
            self.headers.push(format!("{name}={value}"));
        } else {
            return Err(DestinationError::Key { found: key.to_owned() });
        }
        Ok(())
    }

    /// The last one of several.
    fn value(&self, key: &str) -> Option<&str> {
        self.values.iter().rev().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
    }

    fn setting(&self, key: &str) -> Option<Setting> {
        self.value(key).map(|value| Setting::new(&format!("{FLAG} {key}"), value))
    }

    fn flags(&self) -> Result<ExportFlags, DestinationError> {
        let identity = match (self.value("identity"), self.mesh.is_empty()) {
            (Some(identity), _) => Some(identity.parse::<Identity>()?),
            (None, false) => Some(self.mesh.join(",").parse()?),
            (None, true) => None,
        };
        for (half, other) in [("cert", "key"), ("key", "cert")] {
            if self.value(half).is_some() && self.value(other).is_none() {
                let [setting, missing] = [half, other].map(|key| format!("{FLAG} {key}"));
                return Err(ConfigError::Half { setting, missing }.into());
            }
        }
        let protocol = self.setting("protocol").map(|setting| {
            setting.value.parse().map_err(|_| setting.invalid("grpc, http/protobuf or http/json"))
        });
        let file = |key| self.value(key).map(Into::into);
        Ok(ExportFlags {
            endpoint: None,
            protocol: protocol.transpose()?,
            certificate: file("ca"),
            client_certificate: file("cert"),
            client_key: file("key"),
            identity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{Compression, Protocol};

    fn parse(text: &str) -> Result<Destination, DestinationError> {
        Destination::parse(text, || SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_destination_is_a_url_and_its_settings() {
        let plain = parse("http://otel:4318").unwrap();
        assert_eq!(plain.name, "http://otel:4318/v1/traces");
        assert_eq!((plain.config.protocol, plain.config.tls), (Protocol::HttpProtobuf, None));

        let full = parse(
            "https://otel:4317, name=main,protocol=http/json,compression=gzip,timeout=500,ca=ca.pem,cert=a.pem,\
             key=a.key,header.authorization=Bearer%20x%2Cy,header.b=2,serviceAccountName=c,namespace=tracing",
        )
        .unwrap();
        let tls = full.config.tls.unwrap();
        assert_eq!(full.name, "main");
        assert_eq!(full.config.protocol, Protocol::HttpJson);
        assert_eq!(full.config.compression, Compression::Gzip);
        assert_eq!(full.config.timeout.as_millis(), 500);
        assert_eq!(tls.roots, Some("ca.pem".into()));
        assert_eq!(tls.certificate, Some(("a.pem".into(), "a.key".into())));
        let identity = tls.identity.unwrap().to_string();
        assert_eq!(identity, "c.tracing.serviceaccount.identity.linkerd.cluster.local");
        assert_eq!(full.config.headers["authorization"], "Bearer x,y");
        assert_eq!(full.config.headers["b"], "2");

        let mesh = parse("https://o:4317,identity=serviceAccountName=c%2Cnamespace=t").unwrap();
        assert!(mesh.config.tls.unwrap().identity.is_some(), "a comma can be written");
    }

    #[test]
    fn what_cannot_be_used_is_named_with_what_is_allowed() {
        for (text, expected) in [
            ("", "--forward is \"\", expected a URL"),
            ("otel:4318", "--forward is \"otel:4318\", expected a URL"),
            ("http://c,gzip", "\"gzip\" is no setting, expected URL,KEY=VALUE"),
            ("http://c,compresion=gzip", "\"compresion\" is no setting"),
            ("http://c,compression=zstd", "--forward compression is \"zstd\", expected gzip or none"),
            ("http://c,timeout=1s", "--forward timeout is \"1s\", expected milliseconds"),
            ("http://c,protocol=x", "--forward protocol is \"x\", expected grpc"),
            ("https://c,identity=a b", "--forward: \"a b\" is no identity"),
            ("https://c,namespace=x", "serviceAccountName is empty"),
            ("http://c,identity=a.b", "--forward is \"http://c\": an identity can be checked with TLS only"),
            ("https://c,cert=x", "--forward cert is set and --forward key is not"),
            ("http://c,header.a b=secret", "entry 1 has no header's name"),
            ("http://u:secret@c", "--forward holds credentials"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
