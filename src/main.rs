//! The `camino` binary: hands its arguments to the command line and exits with its code.

/// A delivery makes some fifty small allocations, on one thread, that end on another: what the system's
/// allocator is slow at (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    camino_broker::cli::run()
}
