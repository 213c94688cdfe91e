//! Which requests a rule is for. What is done with them is `sampler`'s affair.
//!
//! `{"host": "api.*", "method": "POST"}` → `POST http://API.example:8080/orders`

use std::borrow::Cow;
use std::cell::OnceCell;

use super::pattern::Pattern;
use crate::attributes::address::HostPort;
use crate::attributes::route::PathTemplate;
use crate::attributes::url::Target;
use crate::config::Direction;
use crate::headers::Headers;
use crate::time::Timestamp;

/// What only the proxy knows of a request. The plugin asks its host, tests say what they like.
pub trait Surroundings {
    /// The clock.
    fn now(&self) -> Timestamp;
    /// The name of the route that the proxy has chosen.
    fn route(&self) -> Option<Cow<'_, [u8]>>;
    /// Which side of its workload the listener is on.
    fn direction(&self) -> Option<Direction>;
    /// Whether the request is nothing but its head.
    fn is_whole(&self) -> bool {
        false
    }
    /// The SERVER span of the filter at the listener, as it left it for those in the upstream filters.
    fn server_span(&self) -> Option<Cow<'_, [u8]>> {
        None
    }
    /// How often the request has been sent to an upstream, from 1.
    fn attempt(&self) -> Option<u64> {
        None
    }
    /// The upstream that this attempt goes to, with its port.
    fn upstream_address(&self) -> Option<Cow<'_, [u8]>> {
        None
    }
}

/// One request as rules see it. What is asked is found out once, what is not asked never.
pub struct Facts<'a> {
    headers: &'a Headers<'a>,
    surroundings: &'a dyn Surroundings,
    target: OnceCell<Target<'a>>,
    now: OnceCell<Timestamp>,
    route: OnceCell<Option<Cow<'a, [u8]>>>,
    direction: OnceCell<Option<Direction>>,
}

impl<'a> Facts<'a> {
    /// A request with these headers. A configured `direction` counts before the proxy's own.
    pub fn new(
        headers: &'a Headers<'a>,
        direction: Option<Direction>,
        surroundings: &'a dyn Surroundings,
    ) -> Self {
        Self {
            headers,
            surroundings,
            target: OnceCell::new(),
            now: OnceCell::new(),
            route: OnceCell::new(),
            direction: direction.map_or_else(OnceCell::new, |known| OnceCell::from(Some(known))),
        }
    }

    /// The clock, read once.
    pub fn now(&self) -> Timestamp {
        *self.now.get_or_init(|| self.surroundings.now())
    }

    fn target(&self) -> &Target<'a> {
        self.target.get_or_init(|| Target::parse(self.headers.first(":path").unwrap_or_default()))
    }

    fn host(&self) -> Option<&'a [u8]> {
        let named = self.headers.first(":authority").or_else(|| self.headers.first("host"));
        self.target().authority.or(named).and_then(HostPort::parse).map(|authority| authority.host)
    }

    fn route(&self) -> Option<&[u8]> {
        self.route.get_or_init(|| self.surroundings.route()).as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        *self.direction.get_or_init(|| self.surroundings.direction())
    }
}

/// Conditions that all have to hold; without any, every request fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// The whole path, without query.
    pub path: Option<String>,
    /// How the path begins.
    pub path_prefix: Option<String>,
    /// What the path is of.
    pub path_template: Option<PathTemplate>,
    /// One of these, in any case; empty is any.
    pub methods: Vec<String>,
    /// The host without port, in any case.
    pub host: Option<Pattern>,
    /// Headers, names in lower case.
    pub headers: Vec<(String, HeaderCondition)>,
    /// Which way the request goes.
    pub direction: Option<Direction>,
    /// The name of the proxy's route.
    pub route: Option<Pattern>,
}

/// What is asked of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCondition {
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// One of its values fits.
    Value(Pattern),
}

impl Matcher {
    /// Whether every condition holds; the ones that cost a hostcall are tried last.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.fits_path(facts)
            && self.fits_method(facts.headers)
            && holds(self.host.as_ref(), |host| {
                facts.host().is_some_and(|name| host.matches_in_any_case(name))
            })
            && self.headers.iter().all(|(name, condition)| condition.holds(name, facts.headers))
            && holds(self.direction.as_ref(), |direction| facts.direction() == Some(*direction))
            && holds(self.route.as_ref(), |route| facts.route().is_some_and(|name| route.matches(name)))
    }

    /// Whether every request that fits `other` fits this one: because it asks for nothing, or for
    /// the same.
    pub fn covers(&self, other: &Self) -> bool {
        *self == Self::default() || self == other
    }

    fn fits_path(&self, facts: &Facts<'_>) -> bool {
        holds(self.path.as_ref(), |path| facts.target().path == path.as_bytes())
            && holds(self.path_prefix.as_ref(), |prefix| facts.target().path.starts_with(prefix.as_bytes()))
            && holds(self.path_template.as_ref(), |template| template.matches(facts.target().path))
    }

    fn fits_method(&self, headers: &Headers<'_>) -> bool {
        let method = || headers.first(":method").unwrap_or_default();
        self.methods.is_empty()
            || self.methods.iter().any(|known| method().eq_ignore_ascii_case(known.as_bytes()))
    }
}

impl HeaderCondition {
    fn holds(&self, name: &str, headers: &Headers<'_>) -> bool {
        match self {
            Self::Present => headers.first(name).is_some(),
            Self::Absent => headers.first(name).is_none(),
            Self::Value(pattern) => headers.all(name).any(|value| pattern.matches(value)),
        }
    }
}

/// A condition that is not given always holds.
fn holds<T>(condition: Option<&T>, fits: impl FnOnce(&T) -> bool) -> bool {
    condition.is_none_or(fits)
}
