//! What the proxy knows of itself, as resource attributes: its node id, cluster and locality, and the
//! pod that Istio's node metadata or a bootstrap with the same keys describes.
//! Spec: <https://opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes/>
//! `LABELS: {app.kubernetes.io/name: web}` → `service.name: web`

use super::Warning;
use super::raw::RawConfig;
use super::sorted::SortedMap;
use crate::headers::Headers;

/// How the names of what is wrong with a node begin.
pub(super) const WARNING: &str = "the node's";

/// Bytes of keys and values that are taken from a node at most: they are part of every request.
const MAX_BYTES: usize = 16 << 10;

/// What comes before the attribute's key in a pod's annotation.
const ANNOTATION_PREFIX: &str = "resource.opentelemetry.io/";

/// Properties of the node and the attribute that each is; a later row replaces an earlier one's.
const PROPERTIES: [(&str, &str); 11] = [
    ("cluster", "service.name"),
    ("metadata\0WORKLOAD_NAME", "service.name"),
    ("metadata\0NAMESPACE", "service.namespace"),
    ("id", "service.instance.id"),
    ("metadata\0NAME", "k8s.pod.name"),
    ("metadata\0NAMESPACE", "k8s.namespace.name"),
    ("metadata\0CLUSTER_ID", "k8s.cluster.name"),
    ("metadata\0NODE_NAME", "k8s.node.name"),
    ("locality\0region", "cloud.region"),
    ("locality\0zone", "cloud.availability_zone"),
    ("metadata\0OWNER", OWNER),
];

/// No attribute: stands for those of [`OWNERS`].
const OWNER: &str = "";

/// Pod labels and the attribute that each is; a later row replaces an earlier one's.
const LABELS: [(&str, &str); 3] = [
    ("app.kubernetes.io/version", "service.version"),
    ("app.kubernetes.io/name", "service.name"),
    ("app.kubernetes.io/instance", "service.name"),
];

/// What may own a pod, as in the path `kubernetes://apis/apps/v1/namespaces/shop/deployments/web`.
const OWNERS: [(&str, &str); 5] = [
    ("deployments", "k8s.deployment.name"),
    ("statefulsets", "k8s.statefulset.name"),
    ("daemonsets", "k8s.daemonset.name"),
    ("jobs", "k8s.job.name"),
    ("cronjobs", "k8s.cronjob.name"),
];

/// Resource attributes that the proxy's own description gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    attributes: SortedMap<String>,
    /// Keys that did not fit.
    left_out: Vec<String>,
}

impl Node {
    /// Reads the node by `property`, which is given paths below `xds.node` whose parts are separated
    /// by zero bytes. Labels and annotations are read as Envoy serializes maps.
    pub fn read(property: impl Fn(&str) -> Option<Vec<u8>>) -> Self {
        let mut node = Self::default();
        for (path, key) in PROPERTIES {
            match property(path).as_deref().and_then(text) {
                Some(path) if key == OWNER => node.set_owner(path),
                Some(value) => node.set(key, value),
                None => {}
            }
        }
        let labels = property("metadata\0LABELS").unwrap_or_default();
        let labels = Headers::decode(&labels);
        for (label, key) in LABELS {
            if let Some(value) = labels.first(label).and_then(text) {
                node.set(key, value);
            }
        }
        let annotations = property("metadata\0ANNOTATIONS").unwrap_or_default();
        for (name, value) in Headers::decode(&annotations).iter() {
            let key = text(name).and_then(|name| name.strip_prefix(ANNOTATION_PREFIX));
            if let (Some(key), Some(value)) = (key.filter(|key| !key.is_empty()), text(value)) {
                node.set(key, value);
            }
        }
        node
    }

    fn set_owner(&mut self, path: &str) {
        let mut parts = path.rsplit('/');
        let (Some(name), Some(kind)) = (parts.next(), parts.next()) else { return };
        let owner = OWNERS.into_iter().find(|(known, _)| *known == kind && !name.is_empty());
        if let Some((_, key)) = owner {
            self.set(key, name);
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let others = self.attributes.iter().filter(|(known, _)| *known != key);
        let bytes: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        if bytes + key.len() + value.len() > MAX_BYTES {
            self.left_out.push(key.to_owned());
        } else {
            self.attributes.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Writes the attributes over those of `raw`.
    pub(super) fn apply(&self, raw: &mut RawConfig, warnings: &mut Vec<Warning>) {
        raw.set_resource(self.attributes.clone());
        for key in &self.left_out {
            let problem = format!("is left out: a node's attributes are {MAX_BYTES} bytes at most");
            warnings.push(Warning::Ignored { name: format!("{WARNING} {key}"), problem });
        }
    }
}

/// A property's value where it is text: maps, lists and numbers come with control characters.
fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    (!text.is_empty() && !text.contains(|c: char| c.is_ascii_control())).then_some(text)
}
