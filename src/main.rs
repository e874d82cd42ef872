//! The `camino` binary: hands its arguments to the command line and exits with its code.

/// What a delivery allocates on one thread is freed on another, which the system's allocator is slow at
/// (docs/adr/0012-mimalloc.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    camino_broker::cli::run()
}
