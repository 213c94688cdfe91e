//! The filter's life in a proxy: instances, updates, drain, restart, memory.

mod memory;
