//! The events in the order of acceptance: each once, none past the end of the journal, the gone ones counted.

use std::time::Duration;

use camino_broker::domain::time::Millis;
use camino_broker::store::journal::{Begin, Error, Filter, Onward, OnwardAsked, Reader, Retention};
use camino_broker::store::log::EngineKind;
use camino_broker::store::outbox::Outbox;

use super::bench::{Bench, T0, append, event};
use super::reading::{many, nobody};

fn read(reader: &Reader, outbox: &Outbox, begin: &Begin, limit: usize) -> Result<Onward, Error> {
    let asked = (limit, OnwardAsked { again: true, body: true });
    reader.onward(&Filter::default(), begin, asked, outbox.next_seq(), &nobody)
}

/// Every page from `begin` on: the places of the events, and where it ends.
fn walk(reader: &Reader, outbox: &Outbox, mut begin: Begin, limit: usize) -> (Vec<u64>, Begin, u64) {
    let (mut seqs, mut gone) = (Vec::new(), 0);
    loop {
        let page = read(reader, outbox, &begin, limit).unwrap();
        assert!(page.items.iter().all(|item| item.body_text.is_some()));
        seqs.extend(page.items.iter().map(|item| item.event.seq));
        gone += page.past_retention;
        begin = Begin::At(page.next);
        if !page.more {
            return (seqs, begin, gone);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_meet_and_go_on_where_the_journal_does() {
    let bench = Bench::new(EngineKind::Redb);
    let (outbox, reader) = many(&bench).await;
    let whole: Vec<u64> = (0..3_000).collect();
    for limit in [7, 500] {
        assert_eq!(walk(&reader, &outbox, Begin::Oldest, limit).0, whole);
    }
    let (_, end, _) = walk(&reader, &outbox, Begin::Oldest, 500);
    assert_eq!(Begin::At(read(&reader, &outbox, &Begin::End, 1).unwrap().next), end);
    drop(reader);
    // Accepted, and not in the journal yet: it comes when it is, and the place waits for it.
    append(&outbox, vec![event("later", &["x"])]).await;
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    assert_eq!(walk(&reader, &outbox, end.clone(), 10), (Vec::new(), end.clone(), 0));
    writer.follow(&outbox).unwrap();
    assert_eq!(walk(&reader, &outbox, end, 10).0, [3_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_past_its_retention_is_counted() {
    let bench = Bench::new(EngineKind::Redb);
    let (outbox, reader) = many(&bench).await;
    let place = Begin::At(read(&reader, &outbox, &Begin::Oldest, 10).unwrap().next);
    drop(reader);
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    let day = Duration::from_secs(86_400);
    let retention = Retention { keep_events: day, keep_dead: day * 3, keep_for: None };
    let now = Millis(T0.0 + 3_000_000).plus(day);
    while writer.purge(now, &retention, 500).unwrap().more {}
    let (seqs, end, gone) = walk(&reader, &outbox, place, 50);
    assert!(seqs.is_sorted() && gone > 0, "{gone}");
    assert_eq!(gone + seqs.len() as u64, 2_990, "every place after the tenth is shown or counted");
    let oldest = read(&reader, &outbox, &Begin::Oldest, 50).unwrap();
    assert_eq!(oldest.past_retention, 0, "who begins now has missed nothing in front");
    assert_eq!(walk(&reader, &outbox, end.clone(), 50), (Vec::new(), end, 0));
}
