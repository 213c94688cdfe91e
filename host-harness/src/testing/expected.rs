//! What a value should be.

/// What a value should be: this very text, or what a function says yes to.
pub trait Expected {
    /// Whether the value is as expected; bytes that are not UTF-8 come replaced.
    fn accepts(&self, found: &str) -> bool;

    /// What an assertion's message says of it.
    fn describe(&self) -> String;
}

impl Expected for &str {
    fn accepts(&self, found: &str) -> bool {
        *self == found
    }

    fn describe(&self) -> String {
        format!("{self:?}")
    }
}

impl<F: Fn(&str) -> bool> Expected for F {
    fn accepts(&self, found: &str) -> bool {
        self(found)
    }

    fn describe(&self) -> String {
        "one that the test's function accepts".to_owned()
    }
}
