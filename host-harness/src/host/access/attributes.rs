//! Properties with their types, as expressions see them: only their bytes are what `property` gives.

use super::super::derived::derived_value;
use super::super::stream::Stream;
use super::super::{HostState, PropertyValue};
use super::{PROPERTY_GROUPS, own_property};

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Attribute {
    /// One that the host knows.
    Host(PropertyValue),
    /// A property that the guest has set: bytes, whatever is in them.
    Guest(Vec<u8>),
}

impl HostState {
    /// The stream of the callback that is running, whatever context the guest has chosen.
    fn running_stream(&self) -> Option<&Stream> {
        self.streams.get(&self.current)
    }

    /// The attribute at a path, its parts joined by NUL.
    pub(in super::super) fn attribute(&self, path: &[u8]) -> Option<Attribute> {
        let of_stream = self.running_stream().and_then(|stream| {
            let known = stream.properties.get(path).cloned();
            let known = known.or_else(|| derived_value(stream, path, self.profile));
            known.map(Attribute::Host).or_else(|| own(stream, path))
        });
        of_stream.or_else(|| {
            let root = self.roots.get(self.root_of(self.current));
            let known = self.properties.get(path).or_else(|| root.properties.get(path));
            known.cloned().map(Attribute::Host)
        })
    }

    /// Whether there may be attributes whose paths begin with this one.
    pub(in super::super) fn has_attributes_below(&self, path: &[u8]) -> bool {
        let of_stream = |stream: &Stream| {
            PROPERTY_GROUPS.contains(&path)
                || stream.properties.has_below(path)
                || stream.guest_properties.has_below(path)
        };
        self.running_stream().is_some_and(of_stream) || self.properties.has_below(path)
    }
}

fn own(stream: &Stream, path: &[u8]) -> Option<Attribute> {
    match stream.guest_properties.get(own_property(path)?)? {
        PropertyValue::Bytes(bytes) => Some(Attribute::Guest(bytes.clone())),
        value => Some(Attribute::Host(value.clone())),
    }
}
