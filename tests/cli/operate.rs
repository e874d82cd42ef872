//! `keys` and `explain` against a broker that runs, and where verbs find it.

use insta::assert_snapshot;

use super::binary::Place;

#[test]
fn a_key_is_made_listed_and_revoked() {
    let place = Place::with_config("");
    let serving = place.serve();
    let keys = |args: &[&str]| place.run(&[&["keys", "--url", &serving.url], args].concat());
    let made = keys(&["create", "ci", "--scope", "read"]);
    assert_eq!(made.code, 0, "{}", made.told());
    let id = made.stdout.split("  ").next().unwrap().to_owned();
    let listed = keys(&["list"]);
    assert!(listed.stdout.starts_with(&id) && listed.stdout.contains("no end"), "{}", listed.told());
    assert_eq!(keys(&["revoke", &id]).code, 0);
    assert!(keys(&["list"]).stdout.contains("revoked 2"));
}

#[test]
fn an_id_is_data_and_never_a_part_of_the_path() {
    let place = Place::with_config("");
    let serving = place.serve();
    // Unescaped, each would ask for something else, or for nothing that is a URL.
    for id in ["x/../../stats", "x?source=hoja", "no id", "x#y"] {
        let ran = place.run(&["explain", id, "--url", &serving.url]);
        let wanted = format!("camino: the broker answered 404 resource.not_found: there is no event `{id}`");
        assert!(ran.code == 1 && ran.stderr.starts_with(&wanted), "{}", ran.told());
        let ran = place.run(&["keys", "revoke", id, "--url", &serving.url]);
        let wanted = "camino: the broker answered 404 resource.not_found: there is no key of this id";
        assert!(ran.code == 1 && ran.stderr.starts_with(wanted), "{}", ran.told());
    }
    let ran = place.run(&["explain", "x", "--source", "a&source=b", "--url", &serving.url]);
    assert!(ran.stderr.contains("400 request.invalid: `source`"), "{}", ran.told());
}

#[test]
fn a_bad_key_is_called_a_key() {
    let place = Place::with_config("");
    let list = |key: &str| place.run(&["keys", "list", "--url", "http://127.0.0.1:9", "--key", key]);
    assert_snapshot!(list("").told(), @r"
    exit 1
    -- stderr
    camino: a key must not be empty
      --key takes the key as text, env:NAME or file:PATH
    ");
    assert_snapshot!(list("env:NO_SUCH_KEY").told(), @r"
    exit 1
    -- stderr
    camino: the variable NO_SUCH_KEY is not set
      set NO_SUCH_KEY to the key
    ");
}

#[test]
fn the_environment_names_the_config_and_the_command_line_wins() {
    let mut place = Place::new();
    place.write("here.toml", "[server]\nlisen = 1\n");
    place.write("there.toml", "[store]\npth = 1\n");
    place.var("CAMINO_CONFIG", "here.toml");
    assert!(place.run(&["serve"]).stderr.contains("here.toml:2: unknown key `server.lisen`"));
    let ran = place.run(&["serve", "--config", "there.toml"]);
    assert!(ran.stderr.contains("there.toml:2: unknown key `store.pth`"), "{}", ran.told());
    place.var("CAMINO_CONFIG", "nowhere.toml");
    assert!(place.run(&["serve"]).stderr.contains("cannot read nowhere.toml"));
}
