# The chores. `just` alone lists them.

_default:
    @just --list

# Lay the code out.
fmt:
    cargo fmt

# What the compiler and clippy have to say.
lint:
    cargo fmt --check
    cargo clippy --all-targets --all-features -- -D warnings

# All tests; arguments go to cargo, such as `just test --test tidy`.
test *args:
    cargo test {{ args }}

# The simulation alone; a failing run prints the seed to give here.
sim seed="":
    {{ if seed == "" { "" } else { "CAMINO_SIM_SEED=" + seed } }} cargo test --test sim -- --nocapture

# The benches, or one of them: `just bench outbox`.
bench name="":
    cargo bench {{ if name == "" { "" } else { "--bench " + name } }}

# The documentation, as strict as CI.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

# Exactly what CI runs.
verify:
    .ci/run
