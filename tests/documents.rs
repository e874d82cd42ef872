//! Documents that are made of the code: `docs/errors/` of the table of problems, `docs/configuration.md` of what
//! the settings say of themselves. Each is current, or the test fails; `CAMINO_UPDATE_DOCS=1 cargo test --test
//! documents` writes them anew.

#[cfg(test)]
#[path = "documents/configuration.rs"]
mod configuration;
#[cfg(test)]
#[path = "documents/current.rs"]
mod current;
#[cfg(test)]
#[path = "documents/errors.rs"]
mod errors;
