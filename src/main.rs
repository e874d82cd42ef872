//! The `camino` binary: hands its arguments to the command line and exits with its code.

fn main() -> std::process::ExitCode {
    camino_broker::cli::run()
}
