//! The `meshspan` command.

fn main() {}
