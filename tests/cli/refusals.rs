//! What `serve` refuses to start with: one line that names the place and the mend, and nothing touched.

use std::fs::File;
use std::net::TcpListener;

use camino_broker::store::log::{self, Batch, EngineKind, Space};
use insta::assert_snapshot;

use super::binary::Place;

/// What a refused start tells; the store is as it was.
fn refused(place: &Place) -> String {
    let before = place.files("data");
    let ran = place.run(&["serve"]);
    assert_eq!(ran.code, 1, "{}", ran.told());
    assert_eq!(ran.stdout, "", "data goes to stdout, and there is none");
    assert_eq!(ran.stderr.trim_end().lines().count(), 1, "{}", ran.stderr);
    assert!(place.files("data") == before, "the store was touched");
    ran.stderr
}

fn refused_with(config: &str) -> String {
    refused(&Place::with_config(config))
}

/// A store as a broker leaves it.
fn store(place: &Place, engine: EngineKind) {
    let log = log::open(&place.path("data/outbox"), engine, log::Options::default()).unwrap();
    let mut batch = Batch::default();
    batch.put_value(Space::Events, 1, b"an event");
    log.append(&batch).unwrap();
    log.close().unwrap();
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(refused_with("[server]\nlisen = \"127.0.0.1:8080\"\n"), @"camino: config.toml:2: unknown key `server.lisen`; did you mean `listen`?");
}

#[test]
fn a_value_of_the_wrong_type() {
    assert_snapshot!(refused_with("[delivery]\nin_flight_max = \"many\"\n"), @"camino: config.toml:2: `delivery.in_flight_max` is text, but must be a whole number from 0 up");
}

#[test]
fn what_is_no_toml() {
    assert_snapshot!(refused_with("[server\n"), @"camino: config.toml:1: not TOML: unclosed table, expected `]`");
}

#[test]
fn a_secret_whose_variable_is_not_set() {
    let config = "[apps.baul]\nsigning_secrets = [\"env:BAUL_SECRET\"]\n";
    assert_snapshot!(refused_with(config), @"camino: config.toml:2: `apps.baul.signing_secrets` takes its secret from the variable BAUL_SECRET, which is not set; set it");
}

#[test]
fn an_endpoint_without_a_secret() {
    assert_snapshot!(refused_with("[apps.baul]\nendpoint = \"https://baul.example/hooks\"\n"), @"camino: config.toml:2: `apps.baul.endpoint` needs `endpoint_secrets` beside it: every delivery is signed");
}

#[test]
fn a_config_that_is_not_there() {
    let ran = Place::new().run(&["serve", "--config", "other.toml"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stderr, @"camino: cannot read other.toml: No such file or directory (os error 2); name the file with --config, or leave it out for the defaults");
}

#[test]
fn a_log_filter_that_is_none() {
    assert_snapshot!(refused_with("[telemetry]\nlog = \"camino_broker=loud\"\n"), @r#"camino: config.toml:2: `telemetry.log` is no log filter (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5); write a level such as info, or camino_broker=debug"#);
}

#[test]
fn a_registry_that_is_not_there() {
    assert_snapshot!(refused_with("[registry]\npath = \"reg\"\n"), @"camino: the registry reg cannot be used: apps.json: the file does not exist (and 1 more); `camino registry check --path reg` lists all, and without registry.path the one in the binary is used");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut place = Place::with_config("");
    place.var("CAMINO_SERVER__LISTEN", &address);
    place.mask(&address, "[address]");
    assert_snapshot!(refused(&place), @"camino: cannot listen on [address]: Address already in use (os error 98); is another process using it? (server.listen)");
}

#[test]
fn a_store_that_another_process_uses() {
    let place = Place::with_config("");
    store(&place, EngineKind::Sled);
    let lock = File::options().write(true).open(place.path("data/outbox/lock")).unwrap();
    lock.lock().unwrap();
    assert_snapshot!(refused(&place), @"camino: ./data/outbox is in use by another process; stop that one, or give this one a store.path of its own");
}

#[test]
fn a_store_of_another_engine() {
    let place = Place::with_config("");
    store(&place, EngineKind::Redb);
    assert_snapshot!(refused(&place), @"camino: ./data/outbox/format says redb with layout 3, but this needs sled with layout 3; set store.engine to the one that made it, start the version that made it, or set store.path to an empty folder");
}

#[test]
fn a_store_whose_format_is_damaged() {
    let place = Place::with_config("");
    store(&place, EngineKind::Sled);
    place.write("data/outbox/format", "layout");
    assert_snapshot!(refused(&place), @"camino: ./data/outbox/format is damaged: it is not a format file; nothing was changed: restore a backup, or move the folder away to start anew (store.path)");
}

#[test]
fn a_store_whose_rows_are_gone() {
    let place = Place::with_config("");
    store(&place, EngineKind::Sled);
    std::fs::remove_dir_all(place.path("data/outbox/g0001")).unwrap();
    assert_snapshot!(refused(&place), @"camino: ./data/outbox/g0001 is damaged: the generation the format file names is missing; nothing was changed: restore a backup, or move the folder away to start anew (store.path)");
}

#[test]
fn a_store_that_was_cut_off() {
    let place = Place::with_config("[store]\nengine = \"redb\"\n");
    store(&place, EngineKind::Redb);
    let file = place.files("data/outbox/g0001").into_keys().next().unwrap();
    std::fs::write(file, "").unwrap();
    assert_snapshot!(refused(&place), @"camino: ./data/outbox/g0001 is damaged: front.a is empty; nothing was changed: restore a backup, or move the folder away to start anew (store.path)");
}

#[test]
fn a_store_that_is_a_file() {
    let place = Place::with_config("");
    place.write("data", "not a folder");
    assert_snapshot!(refused(&place), @"camino: cannot use the store's directory ./data: File exists (os error 17) (store.path)");
}
