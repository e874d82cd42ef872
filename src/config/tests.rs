//! The settings as a whole: the shipped file, overrides, and what each mistake says.

use super::*;
use crate::domain::secret::Secret;

const SHIPPED: &str = include_str!("../../config.toml");

fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads `text` as a file; the file's folder is taken out of the error.
fn load_with(text: &str, pairs: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let prefix = format!("{}/", folder.path().display());
    Config::load(Some(&path), vars(pairs)).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn load(text: &str) -> Result<Config, String> {
    load_with(text, &[])
}

fn uncommented(text: &str) -> String {
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    text.lines().map(|line| if setting(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_is_the_default_commented_or_not() {
    let default = format!("{:?}", Config::default());
    assert_eq!(format!("{:?}", load(SHIPPED).unwrap()), default);
    let text = uncommented(SHIPPED);
    assert!(text.contains("\nlisten = "), "settings are uncommented");
    assert_eq!(format!("{:?}", load(&text).unwrap()), default);
    assert_eq!(format!("{:?}", load("").unwrap()), default);
}

#[test]
fn the_shipped_file_explains_every_setting() {
    for (section, heading) in [
        ("server", "[server]"),
        ("store", "[store]"),
        ("registry", "[registry]"),
        ("ingest", "[ingest]"),
        ("delivery", "[delivery]"),
        ("delivery.retry", "[delivery.retry]"),
        ("delivery.breaker", "[delivery.breaker]"),
        ("journal", "[journal]"),
        ("hub.triage", "[hub.triage]"),
        ("telemetry", "[telemetry]"),
        ("apps.cosmos-pet", "# [apps.cosmos-pet]"),
    ] {
        let error = load_raw(&format!("[{section}]\nzzz = 1")).unwrap_err();
        let Error::UnknownKey { known, .. } = error else { panic!("{section}: {error}") };
        let (_, after) = SHIPPED.split_once(heading).unwrap_or_else(|| panic!("{heading} is missing"));
        let body = after.split("\n[").next().unwrap();
        for key in known.iter().filter(|key| !["breaker"].contains(key)) {
            let table = format!("{section}.{key}");
            let found = body.contains(&format!("\n#{key} = ")) || body.contains(&format!("\n# {key} = "));
            assert!(found || SHIPPED.contains(&format!("\n[{table}]")), "{table} is not in config.toml");
        }
    }
}

fn load_raw(text: &str) -> Result<Config, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), Vec::new())
}

#[test]
fn a_mistake_names_its_place_its_key_and_the_mend() {
    for (text, message) in [
        ("[server]\nlisen = \"a\"", "config.toml:2: unknown key `server.lisen`; did you mean `listen`?"),
        ("[sever]\nlisten = \"a\"", "config.toml:1: unknown key `sever`; did you mean `server`?"),
        (
            "[store]\nzzz = 1",
            "config.toml:2: unknown key `store.zzz`; known here: path, engine, free_bytes_min, secret_key",
        ),
        (
            "[delivery.retry]\n\nfrist = 1",
            "config.toml:3: unknown key `delivery.retry.frist`; did you mean `first`?",
        ),
        (
            "[apps.bloom]\nendpiont = \"x\"",
            "config.toml:2: unknown key `apps.bloom.endpiont`; did you mean `endpoint`?",
        ),
        (
            "[server]\nconnections_max = \"many\"",
            "config.toml:2: `server.connections_max` is text, but must be a whole number from 0 up",
        ),
        (
            "[server]\nconnections_max = -1",
            "config.toml:2: `server.connections_max` is out of range: it must be a whole number from 0 up",
        ),
        ("server = 1", "config.toml:1: `server` is a whole number, but must be a table"),
        (
            "[apps.bloom]\nsigning_secrets = [\"whsec_!!\"]",
            "config.toml:2: `apps.bloom.signing_secrets` begins with `whsec_`, so the rest must be base64, ",
        ),
    ] {
        assert_refused(text, message);
    }
}

fn assert_refused(text: &str, message: &str) {
    let error = load(text).unwrap_err();
    assert!(error.starts_with(message), "{text}\n got: {error}\nwant: {message}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn a_value_out_of_its_rule_names_the_rule() {
    for (text, message) in [
        (
            "[server]\ndrain = 20",
            "config.toml:2: `server.drain` is a whole number, but must be a duration with its unit, such as \
             250ms, 15s, 5m, 72h or 30d",
        ),
        (
            "[server]\ndrain = \"20 sec\"",
            "config.toml:2: `server.drain` has the unit `sec`, but must have one of ms, s, m, h, d",
        ),
        ("[server]\ndrain = \"0s\"", "config.toml:2: `server.drain` is 0s, but must be from 1ms to 10m"),
        (
            "[server]\nlisten = \":8080\"",
            "config.toml:2: `server.listen` must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
        ),
        (
            "[journal]\nretention_dead = \"70h\"",
            "config.toml:2: `journal.retention_dead` is shorter than the longest `max_age` of a retry policy",
        ),
        (
            "[store]\nengine = \"rocks\"",
            "config.toml:2: `store.engine` is `rocks`, but must be one of sled, redb",
        ),
        (
            "[ingest]\nbody_bytes_max = \"1TB\"",
            "config.toml:2: `ingest.body_bytes_max` has the unit `TB`, but must have one of B, KiB, MiB, GiB, kB, \
             MB, GB",
        ),
        (
            "[ingest]\ndedupe_window = \"1m\"",
            "config.toml:2: `ingest.dedupe_window` must not be shorter than `ingest.timestamp_tolerance` (5m)",
        ),
        (
            "[delivery]\nallowed_networks = [\"ten\"]",
            "config.toml:2: `delivery.allowed_networks` must hold networks, such as 10.0.0.0/8 or 127.0.0.1",
        ),
        (
            "[delivery.retry]\nfactor = 0.5",
            "config.toml:2: `delivery.retry.factor` is 0.5, but must be from 1 to 100",
        ),
        (
            "[telemetry]\notlp_endpoint = \"127.0.0.1:4318\"",
            "config.toml:2: `telemetry.otlp_endpoint` must be the address of a collector, such as \
             http://127.0.0.1:4318",
        ),
        (
            "[telemetry]\notlp_share = 1.5",
            "config.toml:2: `telemetry.otlp_share` is 1.5, but must be from 0 to 1",
        ),
        ("[server\n", "config.toml:1: not TOML: "),
    ] {
        assert_refused(text, message);
    }
}

#[test]
fn a_certificate_or_key_that_cannot_be_meant_is_refused() {
    for (text, message) in [
        (
            "[server]\ntls_key = \"key.pem\"",
            "config.toml:2: `server.tls_key` needs `tls_certificate` beside it",
        ),
        (
            "[server]\ntls_certificate = \"chain.pem\"",
            "config.toml:2: `server.tls_certificate` needs `tls_key` beside it",
        ),
        (
            "[server]\nheader_timeout = \"1ms\"",
            "config.toml:2: `server.header_timeout` is 1ms, but must be from 100ms to 10m",
        ),
        (
            "[store]\nsecret_key = \"too short\"",
            "config.toml:2: `store.secret_key` must have at least 24 bytes",
        ),
        (
            "[store]\nsecret_key = [\"a\", \"b\", \"c\"]",
            "config.toml:2: `store.secret_key` holds more than 2 keys",
        ),
    ] {
        assert_refused(text, message);
    }
}

#[test]
fn a_mistake_in_an_app_names_the_app() {
    for (text, message) in [
        ("[apps.Bloom]", "config.toml:1: `apps.Bloom` is no app slug: it must match [a-z0-9][a-z0-9-]{0,63}"),
        (
            "[apps.camino]",
            "config.toml:1: `apps.camino` is the hub, which takes part by itself; remove the table",
        ),
        (
            "[apps.bloom]\nendpoint = \"https://x.example\"",
            "config.toml:2: `apps.bloom.endpoint` needs `endpoint_secrets` beside it: every delivery is signed",
        ),
        (
            "[apps.bloom]\nendpoint = \"ftp://x\"",
            "config.toml:2: `apps.bloom.endpoint` must begin with https://",
        ),
        (
            "[apps.bloom]\nendpoint = \"bloom.example\"",
            "config.toml:2: `apps.bloom.endpoint` must begin with",
        ),
        (
            "[apps.bloom]\nsigning_secrets = [\"a\", \"b\", \"c\"]",
            "config.toml:2: `apps.bloom.signing_secrets` holds 3 secrets, but at most 2 may be live at once",
        ),
        (
            "[apps.bloom]\nretry_on = [500]",
            "config.toml:2: `apps.bloom.retry_on` must hold HTTP statuses from 400 to 499, such as 409",
        ),
        (
            "[apps.bloom]\nrate_per_second = 0",
            "config.toml:2: `apps.bloom.rate_per_second` is 0, but must be from 1 to 1000000",
        ),
        (
            "[apps.bloom]\nfilter = { types = [\"pay*\"] }",
            "config.toml:2: `apps.bloom.filter.types` must hold event types or patterns, such as",
        ),
        ("[apps.bloom]\nfilter = { sources = [] }", "config.toml:2: `apps.bloom.filter.sources` is empty"),
        (
            "[apps.bloom.retry]\nmax = \"1s\"",
            "config.toml:2: `apps.bloom.retry.max` is 1s, but must be from 5s to 30d",
        ),
    ] {
        assert_refused(text, message);
    }
}

#[test]
fn a_variable_wins_over_the_file_and_is_named_in_its_error() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\n[apps.cosmos-pet]\necho = false\n";
    let config = load_with(
        text,
        &[
            ("CAMINO_SERVER__LISTEN", "0.0.0.0:9000"),
            ("CAMINO_DELIVERY__RETRY__FIRST", "10s"),
            ("CAMINO_DELIVERY__ALLOWED_NETWORKS", "10.0.0.0/8, ::1"),
            ("CAMINO_APPS__COSMOS_PET__ECHO", "true"),
            ("CAMINO_APPS__COSMOS_PET__RETRY_ON", "[409, 423]"),
            ("CAMINO_APPS__COSMOS_PET__SIGNING_SECRETS", "0123456789,env:NEXT"),
            ("NEXT", "12,34"),
            ("CAMINO_ADMIN_KEY", "007"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(config.delivery.retry.first.as_secs(), 10);
    assert_eq!(config.delivery.allowed_networks.len(), 2);
    assert_eq!(config.server.admin_key.unwrap().text_key(), b"007");
    let app = &config.apps["cosmos-pet"];
    assert!(app.echo);
    assert_eq!(app.retry_on, [409, 423]);
    let secrets: Vec<&[u8]> = app.signing_secrets.iter().map(Secret::text_key).collect();
    assert_eq!(secrets, [b"0123456789".as_slice(), b"12,34"]);

    for (name, value, message) in [
        (
            "CAMINO_SERVER__LISTN",
            "x",
            "variable CAMINO_SERVER__LISTN: unknown key `server.listn`; did you mean",
        ),
        (
            "CAMINO_SERVER__DRAIN",
            "20",
            "variable CAMINO_SERVER__DRAIN: `server.drain` is a whole number, but",
        ),
        (
            "CAMINO_SERVER__CONNECTIONS_MAX",
            "0",
            "variable CAMINO_SERVER__CONNECTIONS_MAX: `server.connections_max`",
        ),
    ] {
        let error = load_with(text, &[(name, value)]).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn secrets_come_from_variables_and_files_and_a_missing_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "from-file\n").unwrap();
    let text = format!(
        "[apps.bloom]\nsigning_secrets = [\"env:BLOOM\", \"file:{}\"]\n\
         endpoint_secrets_by_source = {{ care-bear = \"literal,with comma\" }}",
        file.display()
    );
    let config = load_with(&text, &[("BLOOM", "from-variable")]).unwrap();
    let app = &config.apps["bloom"];
    assert_eq!(app.signing_secrets[0].text_key(), b"from-variable");
    assert_eq!(app.signing_secrets[1].text_key(), b"from-file");
    assert_eq!(app.endpoint_secrets_by_source["care-bear"][0].text_key(), b"literal,with comma");
    assert!(!format!("{config:?}").contains("from-"), "a debug print shows no secret");

    let error = load(&text).unwrap_err();
    assert_eq!(
        error,
        "config.toml:2: `apps.bloom.signing_secrets` takes its secret from the variable BLOOM, which is not set; \
         set it"
    );
    let key = load_with("[store]\nsecret_key = \"env:AT_REST\"", &[("AT_REST", "0123456789abcdef01234567")]);
    assert_eq!(key.unwrap().store.secret_key[0].text_key(), b"0123456789abcdef01234567");
    let error = load("[store]\nsecret_key = \"env:AT_REST\"").unwrap_err();
    assert!(error.contains("`store.secret_key` takes its secret from the variable AT_REST"), "{error}");
    let error = load("[server]\nadmin_key = \"env:OTHER\"").unwrap_err();
    assert!(error.contains("`server.admin_key` takes its secret from the variable OTHER"), "{error}");
    assert!(load("[server]\nadmin_key = \"env:CAMINO_ADMIN_KEY\"").unwrap().server.admin_key.is_none());
}

#[test]
fn no_error_repeats_what_may_be_a_secret() {
    for text in [
        "[apps]\nbloom = \"hunter2\"",
        "[apps.bloom]\nendpoint = \"hunter2\"",
        "[apps.bloom]\nendpoint = \"https://me:hunter2@x.example\"",
        "[apps.bloom]\nendpoint_secrets = { a = \"hunter2\", b = 1 }",
        "[apps.bloom]\nsigning_secrets = [[\"hunter2\"]]",
        "[apps.bloom]\nsigning_secrets = \"hunter2",
        "[server]\nadmin_key = [\"hunter2\", \"hunter2\"]",
        "[store]\nsecret_key = \"hunter2\"",
        "[store]\nsecret_key = { a = \"hunter2\" }",
        "[server]\nlisten = \"hunter2\"",
        "[delivery]\nallowed_networks = [\"hunter2\"]",
    ] {
        let error = load(text).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_with_which_one_app_could_forge_another_is_refused() {
    let text = "[apps.bloom]\nsigning_secrets = [\"same\"]\n[apps.care]\nendpoint_secrets = [\"same\"]";
    let error = load(text).unwrap_err();
    assert_eq!(
        error,
        "config.toml:4: `apps.care.endpoint_secrets` shares a secret with `apps.bloom.signing_secrets`, so care \
         could forge events of bloom; give each its own"
    );
    let own = "[apps.bloom]\nsigning_secrets = [\"same\"]\nendpoint_secrets = [\"same\"]";
    assert!(load(own).is_ok(), "an app may use one secret both ways");
    // The base64 of `secret`: one key by Standard Webhooks, whatever its spelling.
    for (signs, receives) in [("whsec_c2VjcmV0", "secret"), ("secret", "whsec_c2VjcmV0")] {
        let text = format!(
            "[apps.bloom]\nsigning_secrets = [\"{signs}\"]\n[apps.care]\nendpoint_secrets = [\"{receives}\"]"
        );
        assert!(load(&text).unwrap_err().contains("shares a secret"), "{text}");
    }
}

#[test]
fn doubts_about_a_secret_are_about_its_key_not_its_spelling() {
    // 30 characters, but 18 bytes of key; then one key in two spellings.
    let text = "[apps.bloom]\nsigning_secrets = [\"whsec_AAECAwQFBgcICQoLDA0ODxAR\"]\n\
                [apps.care]\nsigning_secrets = [\"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"]\n\
                [apps.dove]\nsigning_secrets = [\"012345678901234567890123\"]";
    let warnings = load(text).unwrap().warnings();
    let doubts: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert!(doubts[0].starts_with("`apps.bloom.signing_secrets` holds a secret shorter than 24 bytes"));
    assert!(doubts[1].starts_with("`apps.dove.signing_secrets` is also the secret of care"));
}

#[test]
fn doubts_are_returned_not_printed() {
    let text = "[apps.bloom]\nsigning_secrets = [\"short\"]\nendpoint = \"http://127.0.0.1:9\"\n\
                endpoint_secrets = [\"0123456789012345678901234\"]\n[apps.care]\nsigning_secrets = [\"short\"]";
    let config = load(text).unwrap();
    let keys: Vec<String> = config.warnings().into_iter().map(|warning| warning.key).collect();
    let signing = "apps.care.signing_secrets";
    assert_eq!(keys, ["apps.bloom.signing_secrets", "apps.bloom.endpoint", signing, signing]);
    let allowed = format!("{text}\n[delivery]\nallowed_networks = [\"127.0.0.0/8\"]");
    assert!(!load(&allowed).unwrap().warnings().iter().any(|warning| warning.key.ends_with("endpoint")));
}

#[test]
fn an_apps_retry_policy_lies_over_the_common_one() {
    let config = load("[apps.bloom.retry]\nfirst = \"1m\"\nmax_attempts = 3").unwrap();
    let retry = config.retry_for(&AppSlug::new("bloom").unwrap());
    assert_eq!(retry.first.as_secs(), 60);
    assert_eq!(retry.max_attempts, 3);
    assert_eq!(retry.max, Retry::default().max);
    assert_eq!(config.retry_for(&AppSlug::new("other").unwrap()), Retry::default());
}

#[test]
fn a_named_file_must_exist_and_the_default_one_need_not() {
    let error = Config::load(Some(Path::new("/nowhere/config.toml")), Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /nowhere/config.toml: "), "{error}");
}
