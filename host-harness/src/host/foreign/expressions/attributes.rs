//! A stream's attributes as values of CEL: only what an expression names is looked up.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator, Sizer};
use cel::common::types::{
    CelBool, CelBytes, CelDuration, CelInt, CelMap, CelMapKey, CelString, CelTimestamp, CelUInt, MAP_TYPE,
    Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::context::VariableResolver;
use chrono::DateTime;

use super::super::super::property::join_values;
use super::super::super::{Attribute, ENTRY_OVERHEAD, HeaderMap, HostState, PropertyValue};
use super::work::Work;

/// The attributes of the context that is running.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a> {
    state: &'a HostState,
    work: &'a Arc<Work>,
}

impl<'a> Attributes<'a> {
    pub(super) fn new(state: &'a HostState, work: &'a Arc<Work>) -> Self {
        Self { state, work }
    }

    /// The value at a path, its parts joined by NUL, or the group of what has longer paths.
    fn value(self, path: Vec<u8>) -> Option<Box<dyn Val + 'a>> {
        match self.state.attribute(&path) {
            Some(attribute) => self.work.take(size(&attribute)).then(|| value(attribute, self.work)),
            None if self.state.has_attributes_below(&path) => {
                Some(Box::new(Group { attributes: self, path }))
            }
            None => None,
        }
    }
}

impl VariableResolver for Attributes<'_> {
    /// Only the first part of a path is a name; the interpreter asks for longer ones, too.
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if name.contains('.') {
            return None;
        }
        self.value(name.as_bytes().to_vec()).map(CowVal::Owned)
    }
}

/// A map is counted by what is read of it.
fn size(attribute: &Attribute) -> usize {
    match attribute {
        Attribute::Host(PropertyValue::Bytes(bytes)) | Attribute::Guest(bytes) => {
            bytes.len() + ENTRY_OVERHEAD
        }
        Attribute::Host(_) => ENTRY_OVERHEAD,
    }
}

fn value<'v>(attribute: Attribute, work: &Arc<Work>) -> Box<dyn Val + 'v> {
    match attribute {
        Attribute::Guest(bytes) => Box::new(CelBytes::from(bytes)),
        Attribute::Host(PropertyValue::Bytes(bytes)) => text(bytes),
        Attribute::Host(PropertyValue::Int(number)) => Box::new(CelInt::from(number)),
        Attribute::Host(PropertyValue::Uint(number)) => Box::new(CelUInt::from(number)),
        Attribute::Host(PropertyValue::Bool(truth)) => Box::new(CelBool::from(truth)),
        Attribute::Host(PropertyValue::Duration(time)) => {
            let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
            Box::new(CelDuration::from(chrono::Duration::nanoseconds(nanos)))
        }
        Attribute::Host(PropertyValue::Timestamp(time)) => {
            let nanos = i64::try_from(time.as_unix_nanos()).unwrap_or(i64::MAX);
            Box::new(CelTimestamp::from(DateTime::from_timestamp_nanos(nanos).fixed_offset()))
        }
        Attribute::Host(PropertyValue::Map(map)) => {
            Box::new(Entries { map, work: Arc::clone(work), keys: OnceLock::new() })
        }
    }
}

/// A string of CEL's is Unicode here; other bytes are bytes.
fn text<'v>(bytes: Vec<u8>) -> Box<dyn Val + 'v> {
    match String::from_utf8(bytes) {
        Ok(text) => Box::new(CelString::from(text)),
        Err(error) => Box::new(CelBytes::from(error.into_bytes())),
    }
}

/// Attributes whose paths begin alike: `request`.
#[derive(Clone, Debug)]
struct Group<'a> {
    attributes: Attributes<'a>,
    path: Vec<u8>,
}

impl<'a> Group<'a> {
    fn entry(&self, name: &dyn Val) -> Result<Box<dyn Val + 'a>, ExecutionError> {
        let name = name.downcast_ref::<CelString<'_>>().map(CelString::inner).unwrap_or_default();
        let path = [&self.path, name.as_bytes()].join(&0);
        self.attributes.value(path).ok_or_else(|| ExecutionError::no_such_key(name))
    }
}

impl Val for Group<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Sizer for Group<'_> {
    /// As in Envoy, which does not know the parts of such a group.
    fn size(&self) -> CelInt {
        CelInt::from(0)
    }
}

impl Container for Group<'_> {
    fn contains(&self, name: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.entry(name).is_ok())
    }
}

impl Indexer for Group<'_> {
    fn get<'b, 'v>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.entry(name).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.entry(name).map(|value| value as Box<dyn Val + 'v>)
    }
}

/// A map that is an attribute: headers, metadata. Its keys go in its order.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    map: HeaderMap,
    work: Arc<Work>,
    keys: OnceLock<Vec<CelString<'static>>>,
}

impl Entries {
    /// Each name once, its values joined by commas, as in Envoy.
    pub(super) fn pairs(&self) -> HeaderMap {
        let joined = |name: &CelString<'_>| {
            let mut value = Vec::new();
            join_values(&self.map, name.inner().as_bytes(), &mut value);
            (name.inner().to_owned(), value)
        };
        HeaderMap::from_pairs(self.keys().iter().map(joined))
    }

    fn sorted(&self) -> BTreeMap<String, Vec<u8>> {
        let pairs = self.pairs();
        pairs
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
            .collect()
    }

    /// The names; not all once the evaluation has cost too much.
    fn keys(&self) -> &[CelString<'static>] {
        self.keys.get_or_init(|| {
            let mut known = BTreeSet::new();
            let names =
                self.map.iter().map(|(name, _)| name).filter(|name| known.insert(name.to_ascii_lowercase()));
            let names = names.take_while(|name| self.work.take(name.len() + ENTRY_OVERHEAD));
            names.map(|name| CelString::from(String::from_utf8_lossy(name).into_owned())).collect()
        })
    }

    /// The values of that name, joined by commas.
    fn joined(&self, name: &dyn Val) -> Result<Vec<u8>, ExecutionError> {
        let name = name.downcast_ref::<CelString<'_>>().map(CelString::inner).unwrap_or_default();
        let mut bytes = Vec::new();
        let found = join_values(&self.map, name.as_bytes(), &mut bytes);
        let may_go_on = self.work.take(bytes.len() + ENTRY_OVERHEAD);
        if found && may_go_on { Ok(bytes) } else { Err(ExecutionError::no_such_key(name)) }
    }

    fn entry<'v>(&self, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError> {
        Ok(text(self.joined(name)?))
    }
}

fn key(key: &CelMapKey<'_>) -> Option<String> {
    if let CelMapKey::String(name) = key { Some(name.inner().to_owned()) } else { None }
}

fn bytes(value: &dyn Val) -> Option<Vec<u8>> {
    value.downcast_ref::<CelString<'_>>().map(|text| text.inner().as_bytes().to_vec())
}

impl StaticVal for Entries {}

impl Val for Entries {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let theirs = other.downcast_ref::<Self>().map(Self::sorted).or_else(|| {
            let map = other.downcast_ref::<CelMap<'_>>()?;
            map.inner().iter().map(|(name, value)| Some((key(name)?, bytes(value.as_ref())?))).collect()
        });
        theirs.is_some_and(|theirs| theirs == self.sorted())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Container for Entries {
    fn contains(&self, name: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.joined(name).is_ok())
    }
}

impl Indexer for Entries {
    fn get<'b, 'v>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.entry(name).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.entry(name)
    }
}

impl Iterable for Entries {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Keys(self.keys().iter()))
    }
}

struct Keys<'b>(std::slice::Iter<'b, CelString<'static>>);

impl<'b, 'v> Iterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|key| key as &(dyn Val + 'v))
    }
}

impl Sizer for Entries {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.keys().len()).unwrap_or(i64::MAX))
    }
}
