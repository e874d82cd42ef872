//! The configuration reference. Which keys there are, of what type and within which bounds is asked of the
//! settings themselves, with values that they refuse: their errors say it. What a key does, and its default, is
//! what `config.toml` says, which a test of the settings holds against them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use camino_broker::config::{App, Config, Error};

/// A key that is nowhere.
const NO_KEY: &str = "zzzzqqqq";
/// The app of the reference; its slug stands for any.
const APP: &str = "some-app";
/// Spellings of a value that is too small or too large for any bound.
const EXTREMES: [&str; 6] = ["0", "\"0s\"", "0.0", "4294967295", "\"9999999h\"", "\"9999999GiB\""];

const HEAD: &str = "# Configuration\n\n\
    Every setting of `config.toml`: made of the code by `CAMINO_UPDATE_DOCS=1 cargo test --test documents`, so change \
    the code or the comments of [config.toml](../config.toml), and not this.\n\n\
    A file is not needed; `camino serve` reads `config.toml` in the working directory, or what `--config` or \
    `CAMINO_CONFIG` names. A variable wins over the file. Durations have a unit (`250ms`, `15s`, `5m`, `72h`, `30d`), \
    sizes may have one (`64KiB`, `1MiB`). A secret is a text, `env:NAME` or `file:PATH`. An unknown key is an error \
    that names the nearest known one.\n";

/// What `config.toml` says of a key.
#[derive(Clone, Debug, Default)]
struct Said {
    about: String,
    /// The line's value; a default only if the line is not an example.
    value: String,
    is_default: bool,
}

/// The reference.
pub fn reference() -> String {
    let said = said();
    let mut text = HEAD.to_owned();
    let mut last = String::new();
    for key in leaves("") {
        let (section, name) = key.rsplit_once('.').unwrap();
        let shown = section.replace(APP, "<app>");
        if shown != last {
            let about =
                said.get(&section.replace(APP, "")).map(|said| said.about.clone()).unwrap_or_default();
            let gap = if about.is_empty() { "" } else { "\n\n" };
            write!(text, "\n## `[{shown}]`{gap}{about}\n").unwrap();
            last = shown;
        }
        let about = about(&said, &key);
        assert!(!about.is_empty(), "config.toml doesn't say what `{key}` does");
        write!(text, "\n### `{name}`\n\n{about}\n\n- Type: {}\n", kind(&key)).unwrap();
        if let Some(bounds) = bounds(&key) {
            writeln!(text, "- Bounds: {bounds}").unwrap();
        }
        writeln!(text, "- Default: {}", default(&said, &key)).unwrap();
        writeln!(text, "- Variable: `{}`", variable(&key)).unwrap();
    }
    text
}

/// The error of a file that says this.
fn refused(text: &str) -> Option<Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(Some(file.path()), Vec::new()).err()
}

fn with(key: &str, value: &str) -> Option<Error> {
    let (section, name) = key.rsplit_once('.').unwrap();
    refused(&format!("[{section}]\n{name} = {value}\n"))
}

/// Every key below `section` that is no table, as the settings list them.
fn leaves(section: &str) -> Vec<String> {
    let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
    let Some(Error::UnknownKey { known, .. }) = refused(&format!("{header}{NO_KEY} = 1\n")) else {
        return vec![section.to_owned()];
    };
    let mut plain = Vec::new();
    let mut tables = Vec::new();
    for name in known {
        let name = if *name == "apps" { format!("apps.{APP}") } else { (*name).to_owned() };
        let key = if section.is_empty() { name } else { format!("{section}.{name}") };
        match leaves(&key).as_slice() {
            [leaf] if *leaf == key => plain.push(key),
            below => tables.extend(below.to_vec()),
        }
    }
    plain.extend(tables);
    plain
}

/// What kind of value a key takes.
fn kind(key: &str) -> String {
    let wanted = match with(key, "true") {
        None => return "true or false".to_owned(),
        Some(Error::Type { wanted, .. }) => wanted,
        Some(Error::Value { rule, .. }) => rule.trim_start_matches("must be ").to_owned(),
        Some(error) => panic!("{key}: {error}"),
    };
    if wanted.starts_with("text: a secret") {
        return secrets(key).to_owned();
    }
    if wanted.starts_with("a whole number") {
        return "a whole number".to_owned();
    }
    match with(key, "\"§\"") {
        Some(Error::Value { rule, .. }) => {
            let list = if wanted == "a list" { "a list of " } else { "" };
            let words = rule.strip_prefix("is `§`, but must be ").or_else(|| rule.strip_prefix("must be "));
            let found = words.or_else(|| rule.strip_prefix("must hold "));
            found.map_or(wanted, |found| format!("{list}{found}"))
        }
        _ => wanted,
    }
}

/// Which secrets: one, some, or some for each source.
fn secrets(key: &str) -> &'static str {
    let (one, source) = (r#"["0123456789-0123456789-0123456789"]"#, r#"{ bloom = "0123456789-0123456789" }"#);
    match () {
        () if with(key, one).is_none()
            && with(key, &one.replace(']', ", \"another-one-0123456789-0123456789\"]")).is_none() =>
        {
            "a secret, or a list of two: text, env:NAME or file:PATH"
        }
        () if with(key, source).is_none() => "a table from source app to a secret, or to a list of two",
        () => "a secret: text, env:NAME or file:PATH",
    }
}

/// A number of bytes as people write it.
fn size(bytes: &str) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let Ok(number) = bytes.parse::<u64>() else { return bytes.to_owned() };
    let whole = units.iter().find(|(unit, _)| number.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_owned(), |(unit, name)| format!("{}{name}", number / unit))
}

/// The smallest and the largest value, as the settings say when one is out of them.
fn bounds(key: &str) -> Option<String> {
    let found = EXTREMES.iter().find_map(|value| match with(key, value) {
        Some(Error::Value { rule, .. }) => {
            rule.split_once("but must be from ").map(|(_, rest)| rest.to_owned())
        }
        _ => None,
    })?;
    let (low, high) = found.split_once(" to ")?;
    if kind(key).starts_with("a size") {
        return Some(format!("from {} to {}", size(low), size(high)));
    }
    let own = neighbour(key, low).map_or_else(|| low.to_owned(), |name| format!("`{name}`"));
    Some(format!("from {own} to {high}"))
}

/// The setting beside `key` that its lower bound is, if it is one: then the bound moves with it.
fn neighbour(key: &str, low: &str) -> Option<String> {
    let (section, name) = key.rsplit_once('.')?;
    leaves(section).into_iter().find_map(|other| {
        let other = other.strip_prefix(section)?.strip_prefix('.')?.to_owned();
        if other == name || other.contains('.') {
            return None;
        }
        let moved = format!("[{section}]\n{other} = \"61s\"\n{name} = \"1ms\"\n");
        let Some(Error::Value { key: broken, rule, .. }) = refused(&moved) else { return None };
        let is_own = broken == key && rule.contains("from 61s to ") && low != "61s";
        is_own.then_some(other)
    })
}

fn variable(key: &str) -> String {
    let name = key.to_uppercase().replace('-', "_").replace('.', "__");
    format!("CAMINO_{}", name.replace("SOME_APP", "<APP>"))
}

fn about(said: &BTreeMap<String, Said>, key: &str) -> String {
    let own = |key: &str| said.get(key).map(|said| said.about.clone()).filter(|about| !about.is_empty());
    let plain = key.replace(APP, "");
    let common =
        || plain.strip_prefix("apps..retry.").and_then(|name| own(&format!("delivery.retry.{name}")));
    let parent = || plain.rsplit_once('.').and_then(|(parent, _)| own(parent));
    own(&plain).or_else(common).or_else(parent).unwrap_or_default()
}

fn default(said: &BTreeMap<String, Said>, key: &str) -> String {
    let app = App::default();
    let plain = key.replace(APP, "");
    let found = said.get(&plain);
    let example = |said: &Said| match said.value.as_str() {
        "" => "not set".to_owned(),
        value => format!("not set; such as `{value}`"),
    };
    match plain.as_str() {
        "apps..echo" => format!("`{}`", app.echo),
        "apps..ordering" => format!("`\"{}\"`", format!("{:?}", app.ordering).to_lowercase()),
        _ if plain.starts_with("apps..retry.") => "that of `[delivery.retry]`".to_owned(),
        _ => match found {
            Some(said) if said.is_default => format!("`{}`", said.value),
            Some(said) => example(said),
            None => "not set".to_owned(),
        },
    }
}

/// What `config.toml` says of each key and section; an app's slug is left out of its keys.
fn said() -> BTreeMap<String, Said> {
    let mut all: BTreeMap<String, Said> = BTreeMap::new();
    let (mut section, mut about, mut shared) = (String::new(), Vec::new(), String::new());
    for line in include_str!("../../config.toml").lines() {
        let bare = line.trim_start_matches("# ").trim_start_matches('#');
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.replace("cosmos-pet", "");
            // What stands above the header of apps is about all of them.
            let about = std::mem::take(&mut about).join(" ");
            all.insert(section.clone(), Said { about, ..Said::default() });
        } else if let Some((name, value)) = setting(bare) {
            // Two settings in a row have their words in common.
            if !about.is_empty() {
                shared = std::mem::take(&mut about).join(" ");
            }
            let about = shared.clone();
            let is_default = line.starts_with('#') && !line.starts_with("# ");
            all.insert(format!("{section}.{name}"), Said { about, value: value.to_owned(), is_default });
        } else if line.trim_matches(['#', ' ']).is_empty() {
            if line.is_empty() {
                about.clear();
            }
        } else {
            about.push(bare.to_owned());
        }
    }
    all
}

fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(" = ")?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name.then_some((name, value))
}
