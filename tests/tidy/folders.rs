//! What lies where: the top level, the module tree, and the modules that have a layer.
//!
//! Looks at names only; what is in the files is the business of the other rules.

use super::source::{Finding, Source};

/// The top level, fixed: what the owner of the project asked for, and beside it what people expect.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "benches",
    "clippy.toml",
    "config.toml",
    "deny.toml",
    "deploy",
    "docs",
    "examples",
    "justfile",
    "registry",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "sdk",
    "src",
    "tests",
];

/// Entries of the top level that are neither on its list nor kept out of the repository by `ignored`.
pub fn strangers(entries: &[String], ignored: &str) -> Vec<Finding> {
    let is_ignored = |name: &str| ignored.lines().any(|line| line.trim().trim_matches('/') == name);
    let strange = entries.iter().filter(|name| !TOP_LEVEL.contains(&name.as_str()) && !is_ignored(name));
    let finding = |name: &String| Finding {
        path: name.clone(),
        line: 1,
        what: "not on the list of the top level".to_owned(),
        mend: "put it into one of the folders there are (a shrunk proptest case: into a table test)",
    };
    strange.map(finding).collect()
}

/// Modules that `lib.rs` declares and that have no layer.
pub fn without_layer(lib: &Source, layers: &[&[&str]]) -> Vec<Finding> {
    let known = |name: &str| name == "testing" || layers.iter().any(|layer| layer.contains(&name));
    let declared = lib.child_files().into_iter().filter(|(name, _, _)| !known(name));
    let mend = "give it a layer in tests/tidy.rs and docs/ARCHITECTURE.md";
    declared.map(|(name, line, _)| lib.finding(line, format!("`{name}` has no layer"), mend)).collect()
}

/// Files of `src` that no `mod x;` reaches, and files in the old `mod.rs` place.
pub fn unreached(sources: &[Source]) -> Vec<Finding> {
    let declares = |parent: &[String], name: &String| {
        sources
            .iter()
            .filter(|source| source.path != "src/main.rs" && source.module() == parent)
            .any(|source| source.child_files().iter().any(|(child, _, _)| child == name))
    };
    let lost = |source: &&Source| match source.module().split_last() {
        Some((name, parent)) => name == "mod" || !declares(parent, name),
        None => false,
    };
    let mend = "declare it beside its folder (`foo.rs` holds `mod bar;` for `foo/bar.rs`), or delete it";
    sources
        .iter()
        .filter(lost)
        .map(|source| source.finding(1, "no module declares this file", mend))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::LAYERS;
    use super::super::source::Source;
    use super::{strangers, unreached, without_layer};

    #[test]
    fn a_stranger_at_the_top_level_fails() {
        let names = ["src", "target", "scripts", ".git", "README.md"].map(str::to_owned);
        let found = strangers(&names, "/target\n/data\n");
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["scripts"]);
    }

    #[test]
    fn a_module_without_a_layer_fails() {
        let lib = Source::new(
            "src/lib.rs",
            "pub mod domain;\n#[cfg(feature = \"testing\")]\npub mod testing;\nmod shelf;",
        );
        let found = without_layer(&lib, LAYERS);
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_file_that_nothing_declares_fails() {
        let files = [
            ("src/lib.rs", "pub mod store;"),
            ("src/main.rs", "mod lost;"),
            ("src/store.rs", "mod log; mod inline { }"),
            ("src/store/log.rs", ""),
            ("src/store/old.rs", ""),
            ("src/store/log/mod.rs", ""),
            ("src/lost.rs", ""),
        ];
        let sources = files.map(|(path, text)| Source::new(path, text));
        let found = unreached(&sources);
        let paths: Vec<_> = found.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["src/store/old.rs", "src/store/log/mod.rs", "src/lost.rs"]);
    }
}
