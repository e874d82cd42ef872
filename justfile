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

# Cuts the power of a recorded broker, so often for each engine, and starts another on what is left.
powercut cuts="12":
    CAMINO_POWERCUT_CUTS={{ cuts }} cargo test --test powercut cuts -- --nocapture

# What this machine can do: the broker beside the same load with nothing between. `just bench --endpoints 5`.
bench *flags:
    cargo run --release -- bench {{ flags }}

# What each step of an event's trip costs, at three sizes. `just bench-micro --bench commit` for one of them.
bench-micro *args:
    cargo bench {{ args }}

# The documentation, as strict as CI.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

# Exactly what CI runs.
verify:
    .ci/run

# The running binary against its own /openapi.json, for about two minutes; needs Python.
contract:
    cargo build && .ci/contract target/debug/camino

# Writes anew what is made of the code: docs/configuration.md and docs/errors/.
documents:
    CAMINO_UPDATE_DOCS=1 cargo test --test documents

# Bytes of strangers at everything that reads them, a minute each: `just fuzz 600` for ten minutes each.
fuzz seconds="60":
    CAMINO_FUZZ_MS={{ seconds }}000 CAMINO_FUZZ_SEED=$RANDOM cargo test --test fuzz -- --nocapture --test-threads=1

# The README's own steps on a debug build; it needs the ports that they name.
newcomer:
    cargo build && .ci/newcomer target/debug/camino

# Alert rules, each with the fault that fires it, and the unit; skipped where the tools can't be had.
operators:
    .ci/operators

# The dashboard in a headless browser, on a release build; pictures of every page in target/browser/shots.
browser binary="target/release/camino":
    .ci/browser {{ binary }}

# What each page costs the server over a journal of so many events, on a release build.
pages events="1000000":
    .ci/browser --pages {{ events }}
