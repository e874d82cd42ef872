//! `keys`, `replay` and `explain` against a broker that runs, and where verbs find it.

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
fn a_key_ends_at_a_time_or_after_a_span() {
    let place = Place::with_config("");
    let serving = place.serve();
    let create = |end: &str| {
        let args = ["keys", "--url", &serving.url, "create", "ci", "--scope", "read", "--expires-at", end];
        place.run(&args)
    };
    for end in ["90d", "2199-01-01T00:00:00Z"] {
        assert_eq!(create(end).code, 0, "{end}");
    }
    let listed = place.run(&["keys", "list", "--url", &serving.url]).stdout;
    assert!(listed.contains("until 2199-01-01T00:00:00.000Z"), "{listed}");
    assert_eq!(listed.matches("until ").count(), 2, "{listed}");
    let wrong = create("tomorrow");
    assert!(wrong.code == 2 && wrong.stderr.contains("how long from now: 12h, 90d"), "{}", wrong.told());
}

#[test]
fn ready_says_so_by_its_exit_code() {
    let mut place = Place::with_config("");
    let serving = place.serve();
    assert_eq!(place.run(&["ready", "--url", &serving.url]).told(), "exit 0\n-- stdout\nready");
    let json = place.run(&["ready", "--url", &serving.url, "--json"]);
    assert_eq!(json.stdout, "{\"ready\":true,\"status\":200}\n");
    drop(serving);
    place.var("CAMINO_SERVER__LISTEN", "127.0.0.1:9");
    let away = place.run(&["ready"]);
    assert!(away.code == 1 && away.stderr.contains("is the broker running there?"), "{}", away.told());
}

#[test]
fn a_replay_is_counted_and_made_only_when_told_to() {
    let place = Place::with_config("");
    let serving = place.serve();
    let replay = |args: &[&str]| place.run(&[&["replay", "--url", &serving.url], args].concat());
    let counted = replay(&["--receiver", "mancha"]);
    assert_eq!((counted.code, counted.stdout.as_str()), (0, "0 deliveries would be made again\n"));
    let json = replay(&["--receiver", "mancha", "--yes", "--json"]);
    assert!(json.code == 0 && json.stdout.contains("\"matched\":0"), "{}", json.told());
    assert_eq!(replay(&["list"]).told(), "exit 0\n-- stderr\nthere is no replay yet");
    let wrong = replay(&["--state", "pending"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("400 request.invalid"), "{}", wrong.told());
    assert_eq!(replay(&["show", "rpl_none"]).code, 1);
    assert_eq!(replay(&["--rate", "many"]).code, 2);
    for times in [["--since", "2h"], ["--since", "2026-04-16T12:00:00Z"], ["--until", "15m"]] {
        let counted = replay(&[&times[..], &["--type", "payment.completed"]].concat());
        assert_eq!(counted.stdout, "0 deliveries would be made again\n", "{}", counted.told());
    }
    let wrong = replay(&["--until", "yesterday"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("how long ago: 15m, 2h"), "{}", wrong.told());
    assert_eq!(replay(&["--event-type", "payment.completed"]).code, 0, "its name in the API is taken too");
    let all = replay(&["--yes", "--rate", "7"]);
    assert!(all.code == 1 && all.stderr.contains("every delivery"), "{}", all.told());
}

#[test]
fn a_replay_is_waited_for_and_listed() {
    let secret = "it-signs-and-is-signed-to-with-this";
    let place = Place::with_config(&format!(
        "[delivery.retry]\nmax_attempts = 1\n[apps.colectiva]\nsigning_secrets = [\"{secret}\"]\n\
         [apps.mancha]\nendpoint = \"http://127.0.0.1:9/\"\nendpoint_secrets = [\"{secret}-too\"]\n"
    ));
    let serving = place.serve();
    let ran = |verb: &str, args: &[&str]| place.run(&[&[verb, "--url", &serving.url], args].concat());
    let sent = ran("send", &["--event", "payment.completed", "--source", "colectiva"]);
    assert_eq!(sent.code, 0, "{}", sent.told());
    let dead = ["--receiver", "mancha", "--state", "dead"];
    // The attempt fails at once, and the journal shows it a moment later.
    let is_dead = |_: &u32| ran("replay", &dead).stdout == "1 delivery would be made again\n";
    assert!((0..100).find(is_dead).is_some());
    let made = ran("replay", &[&dead[..], &["--yes", "--rate", "7"]].concat());
    assert_eq!(made.code, 0, "{}", made.told());
    assert!(made.stderr.contains(": 1 delivery; the broker makes them"), "{}", made.told());
    assert!(made.stdout.contains("  done       1 of 1 made, 0 left out  "), "{}", made.told());
    assert!(made.stdout.ends_with("receiver=mancha state=dead ratePerSecond=7\n"), "{}", made.told());
    assert_eq!(ran("replay", &["list"]).stdout, made.stdout);
    let id = made.stdout.split_whitespace().next().unwrap();
    assert_eq!(ran("replay", &["show", id]).stdout, made.stdout);
    assert_eq!(ran("replay", &["cancel", id]).stdout, made.stdout, "it was over");
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
fn a_url_of_the_other_scheme_is_told_from_no_broker() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut place = Place::with_config("[server]\ntls_certificate = \"chain.pem\"\ntls_key = \"key.pem\"\n");
    place.write("chain.pem", made.cert.pem());
    place.write("key.pem", made.signing_key.serialize_pem());
    let secured = place.serve();
    place.mask(&secured.url.clone(), "[broker]");
    assert_snapshot!(place.run(&["keys", "list", "--url", &secured.url, "--key", "k"]).told(), @r"
    exit 1
    -- stderr
    camino: cannot reach [broker]: what is there does not answer in plain HTTP; it seems to speak TLS
      the URL should begin with https://
    ");
    let mut place = Place::with_config("");
    let plain = place.serve();
    let url = plain.url.replace("http://", "https://");
    place.mask(&url.clone(), "[broker]");
    assert_snapshot!(place.run(&["keys", "list", "--url", &url, "--key", "k"]).told(), @r"
    exit 1
    -- stderr
    camino: cannot reach [broker]: what is there does not answer over TLS; it seems to speak plain HTTP
      the URL should begin with http://
    ");
}

#[test]
fn a_bad_key_is_called_a_key() {
    let place = Place::with_config("");
    let list = |key: &str| place.run(&["keys", "list", "--url", "http://127.0.0.1:9", "--key", key]);
    assert_snapshot!(list("").told(), @r"
    exit 1
    -- stderr
    camino: the key must not be empty
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
