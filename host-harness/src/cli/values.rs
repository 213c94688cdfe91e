//! Values of flags as people write them: sizes, lengths of time, addresses.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use bytesize::ByteSize;
use meshspan::view::query::{parse_age, parse_duration};

/// `1GiB`, `500 MB`, or a number of bytes.
pub(crate) fn size<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let bytes = text.trim().parse::<ByteSize>().ok().and_then(|size| N::try_from(size.as_u64()).ok());
    bytes.ok_or_else(|| "expected a size such as 1GiB, 500MB or 1048576, which is bytes".to_owned())
}

/// A size as people read it: `1 GiB`.
pub(crate) fn shown(bytes: u64) -> String {
    format!("{:.0}", ByteSize::b(bytes))
}

/// `7d`, `36h`, `90s`; of at least a second, as what is kept less long is not kept.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let age = parse_age(text).filter(|age| has_unit(text) && *age >= Duration::from_secs(1));
    age.ok_or_else(|| "expected a length of time such as 7d, 36h or 90s, at least 1s".to_owned())
}

/// `250us`, `100ms`, `1.5s`.
pub(crate) fn length(text: &str) -> Option<Duration> {
    parse_duration(text).filter(|_| has_unit(text))
}

/// A number alone would be milliseconds, which nobody sees.
fn has_unit(text: &str) -> bool {
    text.trim_end().ends_with(char::is_alphabetic)
}

/// `127.0.0.1:16686`, `[::1]:16686`, or a host's name for the address.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "expected an address and a port, such as 127.0.0.1:16686 or localhost:16686".to_owned();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    if host.is_empty() || host.contains(':') {
        return Err(wrong());
    }
    resolved(host, port)
}

/// `127.0.0.1`, `::1`, or a host's name.
pub(crate) fn ip(text: &str) -> Result<IpAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.is_empty() || text.contains(':') {
        true => Err("expected an address without a port, such as 127.0.0.1 or localhost".to_owned()),
        false => resolved(text, 0).map(|address| address.ip()),
    }
}

/// The host's first address, of version 4 if it has one: what is told of addresses here is of that.
fn resolved(host: &str, port: u16) -> Result<SocketAddr, String> {
    let found = (host, port).to_socket_addrs();
    let found: Vec<SocketAddr> =
        found.map_err(|error| format!("the host {host:?} has no address: {error}"))?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| format!("the host {host:?} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_are_bytes() {
        for (text, expected) in [
            ("1048576", 1 << 20),
            ("1GiB", 1 << 30),
            ("1 GiB", 1 << 30),
            ("1.5 MiB", 3 << 19),
            ("500MB", 500_000_000),
            ("0", 0),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for wrong in ["", "GiB", "-1", "1 potato", "1.5"] {
            assert!(size::<u64>(wrong).unwrap_err().contains("such as 1GiB"), "{wrong}");
        }
        assert!(size::<u8>("300").is_err(), "too large");
        assert_eq!((shown(1 << 30).as_str(), shown(20 << 20).as_str()), ("1 GiB", "20 MiB"));
    }

    #[test]
    fn an_age_is_read_or_refused() {
        assert_eq!(age("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(age("36h"), Ok(Duration::from_hours(36)));
        assert_eq!(age("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "d", "soon", "-1d", "7", "0s", "0d", "999ms"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_length_has_a_unit() {
        assert_eq!(length("3ms"), Some(Duration::from_millis(3)));
        assert_eq!(length("1.5 s"), Some(Duration::from_millis(1_500)));
        assert_eq!((length("3"), length("soon"), length("")), (None, None, None));
    }

    #[test]
    fn addresses_have_numbers_or_names() {
        assert_eq!(address("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(address("[::1]:80").unwrap().to_string(), "[::1]:80");
        let local = address("localhost:16686").unwrap();
        assert!(local.ip().is_loopback() && local.port() == 16_686);
        for wrong in
            ["", "16686", ":16686", "localhost", "localhost:", "localhost:x", "::1:80", "localhost:70000"]
        {
            assert!(address(wrong).unwrap_err().contains("such as 127.0.0.1:16686"), "{wrong}");
        }
        assert!(address("nobody.invalid:1").unwrap_err().contains("\"nobody.invalid\" has no address"));
        assert!(ip("localhost").unwrap().is_loopback() && ip("::1").unwrap().is_loopback());
        assert!(ip("localhost:1").unwrap_err().contains("without a port"));
    }
}
