//! SIGKILL under load, and while a broker starts.

use std::time::Duration;

use crate::broker::{Broker, Engine, IN_FLIGHT_MAX};
use crate::dice::{Dice, seed};
use crate::judge::judge;
use crate::load::{Event, Load, RECEIVERS, post_again};
use crate::receiver::{Inbox, Manner, Receiver};

/// Kills under load, without `CAMINO_CRASH_CYCLES`.
const CYCLES: u32 = 5;
pub const DRAIN: Duration = Duration::from_secs(20);
/// Most events that one kill makes one receiver get again. What was in flight; and beyond it what had
/// landed and waited for the commit that settles it, as long as that took: a settle holds nobody back.
const REPEATED_MAX: u64 = 16 * IN_FLIGHT_MAX;
/// Starts that are cut short, for each engine.
const FIRST_STARTS: u32 = 6;

pub fn cycles() -> u32 {
    let given = std::env::var("CAMINO_CRASH_CYCLES").ok();
    given.map_or(CYCLES, |text| text.parse().expect("CAMINO_CRASH_CYCLES is a number"))
}

pub async fn receivers(seed: u64) -> Vec<Receiver> {
    let mut started = Vec::new();
    let manners = [Manner::Prompt, Manner::Slow, Manner::Failing];
    for ((name, manner), number) in RECEIVERS.into_iter().zip(manners).zip(100..) {
        started.push(Receiver::start(name, manner, Dice::split(seed, number)).await);
    }
    started
}

pub fn inboxes(receivers: &[Receiver]) -> Vec<(&'static str, Inbox)> {
    receivers.iter().map(|receiver| (receiver.name, receiver.inbox())).collect()
}

pub fn endpoints(receivers: &[Receiver]) -> Vec<(&'static str, std::net::SocketAddr)> {
    receivers.iter().map(|receiver| (receiver.name, receiver.address)).collect()
}

/// The chosen time passes; nothing is waited for.
pub async fn up_to(dice: &mut Dice, span: Duration) {
    let micros = dice.below(u64::try_from(span.as_micros()).unwrap());
    tokio::time::sleep(Duration::from_micros(micros)).await;
}

/// Kills at chosen moments while load goes on, and leaves a broker that is running. Gives the kills.
async fn kill_again_and_again(broker: &mut Broker, load: &Load, dice: &mut Dice) -> u32 {
    let mut kills = 0;
    broker.start().await;
    load.broker_is_ready();
    for _ in 0..cycles() {
        load.acked_more(20 + dice.below(300)).await;
        // Half of them right behind an acknowledgement, where one given too early is still untrue.
        if dice.chance(50) {
            up_to(dice, Duration::from_millis(20)).await;
        }
        broker.kill();
        kills += 1;
        // Some die again while they read back what the one before has left.
        while dice.chance(35) {
            broker.spawn();
            up_to(dice, Duration::from_millis(100)).await;
            broker.kill();
            kills += 1;
        }
        broker.start().await;
        load.broker_is_ready();
    }
    load.acked_more(20 + dice.below(300)).await;
    kills
}

async fn nothing_acknowledged_is_lost(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let mut dice = Dice::new(seed);
    let receivers = receivers(seed).await;
    let mut broker = Broker::new(engine, DRAIN, &endpoints(&receivers));
    let load = Load::start(broker.address(), seed);
    let mut kills = kill_again_and_again(&mut broker, &load, &mut dice).await;
    let mut ledger = load.stop().await;
    // The last one dies with a backlog and no load, so that the next one's metrics begin with all of it.
    broker.kill();
    kills += 1;
    broker.start().await;
    broker.idle().await;

    let verdict = judge(&ledger, &inboxes(&receivers));
    println!("{}: {verdict}, kills {kills}", engine.name());
    verdict.assert_clean();
    assert!(verdict.repeated_max() <= REPEATED_MAX, "{:?}", verdict.repeated);

    // A broker that went in peace has settled all: nothing comes twice, and every id is still known.
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
    broker.start().await;
    let acked: Vec<Event> =
        ledger.values().filter(|(_, acked)| *acked).map(|(event, _)| event.clone()).collect();
    let forgotten = post_again(broker.address(), acked).await;
    assert!(forgotten.is_empty(), "{} ids are forgotten:\n{}", forgotten.len(), forgotten.join("\n"));
    broker.idle().await;
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
    let after = judge(&ledger, &inboxes(&receivers));
    assert_eq!(after.delivered, verdict.delivered, "repeats of a post are delivered to nobody");

    // The proof that this run could have failed: an acknowledgement for what nobody ever stored.
    let forged = Event::forged("never-posted", "colectiva");
    ledger.insert(forged.id.clone(), (forged, true));
    let faults = judge(&ledger, &inboxes(&receivers)).faults;
    assert_eq!(faults.len(), receivers.len(), "{faults:?}");
    assert!(faults.iter().all(|fault| fault.starts_with("never-posted was acknowledged")), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kills_on_sled() {
    nothing_acknowledged_is_lost(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kills_on_redb() {
    nothing_acknowledged_is_lost(Engine::Redb).await;
}

/// A store whose making was cut short holds nothing, so it must not keep the broker from starting.
#[tokio::test]
async fn a_first_start_that_was_killed_can_be_repeated() {
    let seed = seed();
    println!("CAMINO_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    for engine in [Engine::Sled, Engine::Redb] {
        for _ in 0..FIRST_STARTS {
            let mut broker = Broker::new(engine, DRAIN, &[]);
            broker.spawn();
            up_to(&mut dice, Duration::from_millis(80)).await;
            broker.kill();
            broker.start().await;
        }
    }
}
