//! W3C Baggage: the application's own key-value pairs. It is no trace context, so propagation
//! never reads, writes or removes it: it passes byte for byte.
//! Spec: <https://www.w3.org/TR/baggage/>

/// The header that passes untouched.
pub const NAME: &str = "baggage";
