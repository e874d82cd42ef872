//! What it says about itself, and about a command line it does not understand.

use insta::assert_snapshot;

use super::binary::Place;

#[test]
fn help_names_every_verb() {
    assert_snapshot!(Place::new().run(&["--help"]).told(), @r"
    exit 0
    -- stdout
    A durable webhook fan-out broker: one signed event in, every receiver served

    Usage: camino [OPTIONS] [COMMAND]

    Commands:
      serve        Run the broker (the default)
      ready        Say whether the broker takes events, by the exit code
      endpoints    Show where events go and how it goes there; pause, resume, test, rotate, cap
      tail         Show what the broker accepts and delivers, as it happens
      listen       Forward events to a URL on this machine, signed anew, in order, from where it was
      dead         Show what failed for good, by cause, and have it made again
      explain      Say why each receiver does or does not get an event
      replay       Have many deliveries made again, by filter
      keys         Make, list and revoke keys
      backup       Copy the store of a running broker into a folder of its host
      restore      Put a backup back into an empty store
      doctor       Look a store over while no broker uses it
      demo         See it work: a broker, seven receivers and four events, all on this machine
      bench        Measure it on this machine, beside the same load with nothing between
      send         Sign an event and post it to a broker
      verify       Say whether a request proves where it comes from, and if not, why
      hub          Rebuild the hub from the journal, with the broker stopped
      registry     Look at a registry, check it, compare it, write it out
      completions  Write what a shell completes this command line by
      man          Write the manual
      help         Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>  The settings; by default the file in CAMINO_CONFIG, or `config.toml`
      -h, --help           Print help
      -V, --version        Print version
    ");
}

#[test]
fn every_verb_explains_itself() {
    let verbs = [
        "serve",
        "ready",
        "endpoints",
        "tail",
        "listen",
        "dead",
        "explain",
        "replay",
        "keys",
        "backup",
        "restore",
        "doctor",
        "demo",
        "bench",
        "send",
        "verify",
        "hub",
        "registry",
        "completions",
        "man",
    ];
    let told: Vec<String> = verbs.iter().map(|verb| Place::new().run(&[verb, "--help"]).told()).collect();
    assert_snapshot!("verbs", told.join("\n\n"));
}

#[test]
fn a_verb_that_is_none_is_a_usage_error() {
    assert_snapshot!(Place::new().run(&["sevre"]).told(), @r"
    exit 2
    -- stderr
    error: unrecognized subcommand 'sevre'

      tip: some similar subcommands exist: 'restore', 'serve'

    Usage: camino [OPTIONS] [COMMAND]

    For more information, try '--help'.
    ");
}
