//! What a proxy says of itself: a sound resource within its bound, of nothing but what was said.

use std::sync::LazyLock;

use meshspan_filter::config::{Config, Node, Warning};

use super::lines::HeaderList;

/// Bytes of keys and values that are taken of a node at most.
const MAX_BYTES: usize = 16 << 10;
/// Bytes that a value that begins with `*` is repeated for, so that short inputs reach the bound: two do.
const REPEATED: usize = 9_000;

/// What the resource is without a node.
static PLAIN: LazyLock<Config> =
    LazyLock::new(|| Config::parse_on(&Node::default(), b"", &[]).expect("the default is valid").0);

/// Properties below `xds.node`, labels and annotations: one `name: value` a line, an empty line between.
pub fn check(input: &[u8]) {
    let mut parts = Vec::from([input]);
    while let Some(at) = parts[parts.len() - 1].windows(2).position(|two| two == b"\n\n") {
        let last = parts.pop().expect("there is one");
        parts.extend([&last[..at], &last[at + 2..]]);
    }
    let part = |i: usize| parts.get(i).copied().unwrap_or_default();
    let [properties, labels, annotations] = [0, 1, 2].map(|i| expand(part(i)));
    let said = [properties.clone(), labels.clone(), annotations.clone()].concat();
    let map = |pairs: &[(Vec<u8>, Vec<u8>)]| meshspan_filter::headers::encode(pairs);
    check_node(&properties, &map(&labels), &map(&annotations), Some(&said));
    // Maps as a host may have written them.
    check_node(&properties, part(1), part(2), None);
}

/// The pairs of these lines.
fn expand(lines: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = HeaderList::parse(lines).into_pairs();
    for (_, value) in &mut pairs {
        if value.first() == Some(&b'*') {
            *value = value.repeat(REPEATED / value.len());
        }
    }
    pairs
}

fn check_node(
    properties: &[(Vec<u8>, Vec<u8>)],
    labels: &[u8],
    annotations: &[u8],
    said: Option<&[(Vec<u8>, Vec<u8>)]>,
) {
    let read = || {
        Node::read(|path| match path {
            "metadata\0LABELS" => Some(labels.to_vec()),
            "metadata\0ANNOTATIONS" => Some(annotations.to_vec()),
            _ => {
                let name = path.replace('\0', ".");
                properties.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value.clone())
            }
        })
    };
    let node = read();
    assert_eq!(node, read(), "it is read the same again");
    let (config, warnings) = Config::parse_on(&node, b"", &[]).expect("a node makes nothing invalid");
    assert!(warnings.iter().all(Warning::is_of_node), "{warnings:?}");
    assert!(warnings.iter().all(|warning| !warning.to_string().contains('\n')), "{warnings:?}");
    let keys: Vec<_> = config.resource.iter().map(|(key, _)| key.as_str()).collect();
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "unique and sorted: {keys:?}");
    let of_node: Vec<_> = config.resource.iter().filter(|pair| !PLAIN.resource.contains(pair)).collect();
    let bytes: usize = of_node.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(bytes <= MAX_BYTES, "{bytes}");
    for (key, value) in of_node {
        assert!(
            !key.is_empty() && !value.is_empty() && !value.contains(|char: char| char.is_ascii_control()),
            "{key}: {value}"
        );
        let is_said = |(_, known): &(Vec<u8>, Vec<u8>)| known.ends_with(value.as_bytes());
        assert!(said.is_none_or(|said| said.iter().any(is_said)), "{key}: {value}");
    }
    let env = [("OTEL_RESOURCE_ATTRIBUTES".to_owned(), "service.name=env,k8s.pod.name=env".to_owned())];
    let (config, _) =
        Config::parse_on(&node, br#"{"resource": {"k8s.pod.name": "json"}}"#, &env).expect("valid");
    let find = |key: &str| config.resource.iter().find(|(known, _)| known == key).map(|(_, value)| &**value);
    assert_eq!((find("service.name"), find("k8s.pod.name")), (Some("env"), Some("json")), "precedence");
}
