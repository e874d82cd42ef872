//! What shells and `man` are told: complete, and of this command line.

use super::binary::Place;

#[test]
fn each_shell_gets_a_script_that_names_the_verbs() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = place.run(&["completions", shell]);
        assert!(ran.code == 0 && ran.stderr.is_empty(), "{}", ran.stderr);
        for word in ["listen", "drain-rate", "registry"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
        assert!(!ran.stdout.contains("bench-worker"), "{shell}: what is hidden stays so");
    }
    assert_eq!(place.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn every_verb_has_a_page() {
    let place = Place::new();
    let ran = place.run(&["man"]);
    assert!(ran.stdout.contains(".TH camino 1"), "{}", ran.told());
    let ran = place.run(&["man", "keys", "create"]);
    assert!(ran.stdout.contains(".TH camino-keys-create 1"), "{}", ran.told());
    let ran = place.run(&["man", "--dir", "pages"]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    let pages = place.files("pages");
    for name in ["camino", "camino-listen", "camino-endpoints-drain-rate", "camino-registry-diff"] {
        assert!(pages.contains_key(&place.path(&format!("pages/{name}.1"))), "{name}");
    }
    assert!(!pages.keys().any(|path| path.to_string_lossy().contains("worker")));
    insta::assert_snapshot!(place.run(&["man", "keys", "make"]).told(), @r"
    exit 1
    -- stderr
    camino: `camino keys` has no verb `make`
      there are: create, list, revoke
    ");
}
