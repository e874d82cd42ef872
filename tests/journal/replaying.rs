//! What a replay finds to make again.

use camino_broker::store::journal::{Again, Filter, Reader, ShownState, Stretch};
use camino_broker::store::log::EngineKind;

use super::bench::{Bench, again, append, dead, dismissed, event, settle, slug};
use super::reading::many;

fn dead_letters() -> Filter {
    Filter { state: Some(ShownState::Dead), ..Filter::default() }
}

/// The places of what is found, and where the next part begins.
fn found(reader: &Reader, filter: &Filter, from: u64, below: u64) -> (Vec<u64>, u64) {
    let Stretch { items, next } = reader.to_replay(filter, from, below).unwrap();
    (items.iter().map(|candidate| candidate.place).collect(), next)
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_found_without_a_walk_over_all_events() {
    let bench = Bench::new(EngineKind::Redb);
    let (outbox, reader) = many(&bench).await;
    settle(&outbox, vec![dead(0, 2_950, 1)]).await;
    bench.catch_up(&outbox);
    // In one part, over three segments.
    assert_eq!(found(&reader, &dead_letters(), 0, 3_000), (vec![0, 507, 2_950], 3_000));
    assert_eq!(found(&reader, &dead_letters(), 508, 2_950), (vec![], 2_950));
    let to_y = Filter { receiver: Some(slug("y")), ..dead_letters() };
    assert_eq!(found(&reader, &to_y, 0, 3_000), (vec![0], 3_000));
    let of = |organization: &str| Filter { organization: Some(organization.to_owned()), ..dead_letters() };
    assert_eq!(found(&reader, &of("org-1"), 0, 3_000), (vec![2_950], 3_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_was_made_again_speaks_where_it_stands_now() {
    let bench = Bench::new(EngineKind::Redb);
    let (outbox, reader) = many(&bench).await;
    append(&outbox, vec![again(&event("e0507", &["x"]), 1, &["x"])]).await;
    settle(&outbox, vec![dismissed(0, 507), dead(0, 3_000, 1)]).await;
    bench.catch_up(&outbox);
    let to_x = Filter { receiver: Some(slug("x")), ..dead_letters() };
    let now = reader.to_replay(&to_x, 0, 3_001).unwrap().items;
    assert_eq!(now.len(), 1);
    assert_eq!((now[0].place, now[0].event.seq), (3_000, 507));
    assert!(matches!(now[0].again, Again::Dead { seq: 3_000, .. }), "{:?}", now[0].again);
    // For a replay that had begun before, it is the one that made it.
    let then = reader.to_replay(&to_x, 0, 3_000).unwrap().items;
    assert_eq!(then.iter().map(|one| (one.place, one.again)).collect::<Vec<_>>(), [(507, Again::Made)]);
}
