//! The upstream of a `grpc_call`: a serialized `envoy.config.core.v3.GrpcService`, or else a cluster's name.

/// What the bytes are as a protobuf message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServiceBytes<'a> {
    /// No protobuf message.
    NotAMessage,
    /// A message without `envoy_grpc.cluster_name`.
    NoCluster,
    /// Field 1 (`envoy_grpc`), in it field 1 (`cluster_name`).
    Cluster(&'a [u8]),
}

pub(super) fn parse_service(bytes: &[u8]) -> ServiceBytes<'_> {
    if bytes.is_empty() {
        return ServiceBytes::NoCluster;
    }
    match first_field(bytes) {
        None => ServiceBytes::NotAMessage,
        Some(None) => ServiceBytes::NoCluster,
        Some(Some(envoy_grpc)) => match first_field(envoy_grpc) {
            None => ServiceBytes::NotAMessage,
            Some(None) => ServiceBytes::NoCluster,
            Some(Some(name)) => ServiceBytes::Cluster(name),
        },
    }
}

/// The last length-delimited field 1; `None` if the bytes are no message.
fn first_field(mut bytes: &[u8]) -> Option<Option<&[u8]>> {
    let mut found = None;
    while !bytes.is_empty() {
        let (key, rest) = take_varint(bytes)?;
        if key >> 3 == 0 {
            return None;
        }
        bytes = match key & 7 {
            0 => take_varint(rest)?.1,
            1 => rest.get(8..)?,
            2 => {
                let (length, rest) = take_varint(rest)?;
                let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                if key >> 3 == 1 {
                    found = Some(field);
                }
                rest
            }
            5 => rest.get(4..)?,
            _ => return None,
        };
    }
    Some(found)
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_names_its_cluster_and_a_name_is_no_message() {
        let table: [(&str, &[u8], ServiceBytes<'_>); 6] = [
            ("envoy_grpc with a name", b"\x0a\x06\x0a\x04otel", ServiceBytes::Cluster(b"otel")),
            ("a timeout behind it", b"\x0a\x06\x0a\x04otel\x1a\x02\x08\x01", ServiceBytes::Cluster(b"otel")),
            ("google_grpc only", b"\x12\x02\x0a\x00", ServiceBytes::NoCluster),
            ("nothing", b"", ServiceBytes::NoCluster),
            ("a name", b"otel_collector", ServiceBytes::NotAMessage),
            ("cut off", b"\x0a\x06\x0a", ServiceBytes::NotAMessage),
        ];
        for (reason, bytes, expected) in table {
            assert_eq!(parse_service(bytes), expected, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            parse_service(&bytes);
        }
    }
}
