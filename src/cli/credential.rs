//! A secret given on the command line: a text, `env:NAME` or `file:PATH`, as in the config.
//!
//! No message here holds a secret.

use super::failure::Failure;
use crate::domain::secret::Secret;

/// Reads what `text`, given with `--secret`, says or refers to.
pub(super) fn read(text: &str) -> Result<Secret, Failure> {
    read_as("--secret", text)
}

/// The same for what was given with `flag`, such as `--key`.
pub(super) fn read_as(flag: &str, text: &str) -> Result<Secret, Failure> {
    let what = flag.trim_start_matches('-');
    let found = if let Some(name) = text.strip_prefix("env:") {
        std::env::var(name).map_err(|_| {
            Failure::new(format!("the variable {name} is not set"), format!("set {name} to the {what}"))
        })?
    } else if let Some(path) = text.strip_prefix("file:") {
        std::fs::read_to_string(path).map_err(|error| {
            let mend = format!("{flag} file:PATH names a file that holds the {what} and nothing else");
            Failure::new(format!("cannot read the {what} in {path}: {error}"), mend)
        })?
    } else {
        text.to_owned()
    };
    Secret::new(found.trim()).map_err(|error| {
        let mend = format!("{flag} takes the {what} as text, env:NAME or file:PATH");
        Failure::new(format!("the {what} {error}"), mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_itself_and_a_file_is_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "from a file\n").unwrap();
        assert_eq!(read("plain text").unwrap().reveal(), "plain text");
        assert_eq!(read(&format!("file:{}", path.display())).unwrap().reveal(), "from a file");
    }

    #[test]
    fn what_leads_nowhere_is_named() {
        for (given, wanted) in [
            ("env:CAMINO_TEST_NOT_SET", "the variable CAMINO_TEST_NOT_SET is not set"),
            ("", "the secret must not be empty"),
            ("whsec_!!", "the secret begins with `whsec_`, so the rest must be base64, such as"),
        ] {
            let said = read(given).unwrap_err().to_string();
            assert!(said.starts_with(wanted) && !said.contains("!!"), "{said}");
        }
        let key = |text| read_as("--key", text).unwrap_err();
        assert_eq!(key("").to_string(), "the key must not be empty");
        assert_eq!(key("").mend, "--key takes the key as text, env:NAME or file:PATH");
        assert!(read("file:/no/such/file").unwrap_err().to_string().starts_with("cannot read the secret in"));
    }
}
