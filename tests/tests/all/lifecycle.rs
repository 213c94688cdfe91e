//! The filter's life in a proxy: instances, updates, drain, restart, memory.

mod drain;
mod instances;
mod memory;
mod restart;
mod update;
