//! The functions that expressions may call: those of CEL's standard library, and `matches` with bounded patterns.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::common::types::{CelBool, CelInt, CelString};
use cel::extractors::This;
use cel::{Context, DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};

use super::work::Work;

/// Most bytes of a compiled pattern.
const PATTERN_BYTES: usize = 64 * 1024;
/// What a new pattern counts for.
const PATTERN_WORK: usize = 8 * 1024;
/// Patterns that an expression keeps compiled.
const KEPT_PATTERNS: usize = 16;

/// Names, whether they are called on a value, and how many arguments they take beside that.
const FUNCTIONS: [(&str, bool, &[usize]); 30] = [
    ("bool", false, &[1]),
    ("bytes", false, &[1]),
    ("double", false, &[1]),
    ("duration", false, &[1]),
    ("dyn", false, &[1]),
    ("int", false, &[1]),
    ("matches", false, &[2]),
    ("size", false, &[1]),
    ("string", false, &[1]),
    ("timestamp", false, &[1]),
    ("type", false, &[1]),
    ("uint", false, &[1]),
    ("contains", true, &[1]),
    ("endsWith", true, &[1]),
    ("getDate", true, &[0, 1]),
    ("getDayOfMonth", true, &[0, 1]),
    ("getDayOfWeek", true, &[0, 1]),
    ("getDayOfYear", true, &[0, 1]),
    ("getFullYear", true, &[0, 1]),
    ("getHours", true, &[0, 1]),
    ("getMilliseconds", true, &[0, 1]),
    ("getMinutes", true, &[0, 1]),
    ("getMonth", true, &[0, 1]),
    ("getSeconds", true, &[0, 1]),
    ("matches", true, &[1]),
    ("size", true, &[0]),
    ("startsWith", true, &[1]),
    ("contains", false, &[2]),
    ("endsWith", false, &[2]),
    ("startsWith", false, &[2]),
];

/// Whether Envoy has such a function; operators have no letters in front.
pub(super) fn is_known(name: &str, on_value: bool, arguments: usize) -> bool {
    !name.starts_with(|first: char| first.is_ascii_alphabetic())
        || FUNCTIONS
            .iter()
            .any(|(known, on, counts)| *known == name && *on == on_value && counts.contains(&arguments))
}

/// CEL's standard library and what Envoy's has beside it, the same for all: it never changes.
pub(super) fn environment() -> Arc<Env> {
    static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut all = Env::stdlib().with_optional_support(false);
        let declared = envoys(&mut all);
        debug_assert!(declared.is_ok(), "{declared:?}");
        Arc::new(all)
    });
    Arc::clone(&STANDARD)
}

fn envoys(all: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(all, fn contains: (CelString, CelString) -> CelBool, name = "contains")?;
    cel::add_overload!(all, fn ends_with: (CelString, CelString) -> CelBool, name = "endsWith")?;
    cel::add_overload!(all, fn starts_with: (CelString, CelString) -> CelBool, name = "startsWith")?;
    cel::add_overload!(all, fn int_of_bool: (CelBool) -> CelInt, name = "int")
}

fn contains(text: &CelString<'_>, part: &CelString<'_>) -> CelBool {
    CelBool::from(text.inner().contains(part.inner()))
}

fn ends_with(text: &CelString<'_>, part: &CelString<'_>) -> CelBool {
    CelBool::from(text.inner().ends_with(part.inner()))
}

fn starts_with(text: &CelString<'_>, part: &CelString<'_>) -> CelBool {
    CelBool::from(text.inner().starts_with(part.inner()))
}

fn int_of_bool(truth: &CelBool) -> CelInt {
    CelInt::from(i64::from(*truth.inner()))
}

/// An expression's patterns, compiled when they are first matched.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(Arc<Mutex<BTreeMap<String, Regex>>>);

impl Patterns {
    fn get(&self, pattern: &str, work: &Work) -> Result<Regex, ExecutionError> {
        let failed = |why: String| ExecutionError::function_error("matches", why);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return Ok(regex.clone());
        }
        if !work.take(PATTERN_WORK) {
            return Err(failed("too many patterns".to_owned()));
        }
        let built =
            RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
        let regex = built.map_err(|error| failed(error.to_string()))?;
        if known.len() >= KEPT_PATTERNS {
            known.clear();
        }
        known.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

/// Adds `matches`, called on a text or with it as the first argument.
pub(super) fn add_matches(
    context: &mut Context<'_, '_>,
    patterns: &Patterns,
    work: &Arc<Work>,
) -> Result<(), DeclarationError> {
    let (patterns, work) = (patterns.clone(), Arc::clone(work));
    context.add_function("matches", move |This(text): This<Arc<String>>, pattern: Arc<String>| {
        let regex = patterns.get(&pattern, &work)?;
        if !work.take(text.len()) {
            return Err(ExecutionError::function_error("matches", "too long texts"));
        }
        Ok(regex.is_match(&text))
    })
}
