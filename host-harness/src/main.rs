//! The `meshspan` command.

mod cli;

use mimalloc::MiMalloc;

/// Threads that share a replay or a receiver give back what another asked for. The system's allocator has them wait
/// for each other then, so that a second thread gave 1.6 times one's rate and not 1.8.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
