//! `meshspan schema`: the JSON Schemas of everything that people write or read.

use meshspan::{
    compare::Comparison, mesh::MeshFile, topology::Topology, traffic::Exchange, view::summary::Summary,
};
use schemars::schema_for;

use super::{args::Schema, error::CliError, output};

/// Generated from the filter's types; the harness knows the filter as a file only.
const CONFIG: &str = include_str!("../../../filter/config.schema.json");

/// Prints the schema of `of`.
pub(crate) fn print(of: Schema) -> Result<(), CliError> {
    let schema = match of {
        Schema::Config => return super::print(CONFIG),
        Schema::Exchange => schema_for!(Exchange),
        Schema::Topology => schema_for!(Topology),
        Schema::Mesh => schema_for!(MeshFile),
        Schema::Summary => schema_for!(Summary),
        Schema::Comparison => schema_for!(Comparison),
    };
    output::json(&schema)
}
