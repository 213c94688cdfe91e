//! The filters are the examples of this package: one package, a module for each.
