//! Nothing of a commit is seen before the engine says that it is durable.

use std::sync::mpsc;

use super::*;
use crate::store::log::{Batch, Compacted, Progress as Stage, RowId, Space, Stats};

/// A log whose appends say that they came and then wait for leave.
struct GatedLog {
    inner: Box<dyn Log>,
    came: mpsc::Sender<()>,
    leave: Mutex<mpsc::Receiver<()>>,
}

impl Log for GatedLog {
    fn append(&self, batch: &Batch) -> Result<(), log::Error> {
        // A test that has ended holds nothing back.
        let _ = self.came.send(());
        let _ = lock(&self.leave).recv();
        self.inner.append(batch)
    }

    fn replay(
        &self,
        space: Space,
        from_commit: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), log::Error> {
        self.inner.replay(space, from_commit, visit)
    }

    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, log::Error> {
        self.inner.read(row)
    }

    fn stats(&self) -> Result<Stats, log::Error> {
        self.inner.stats()
    }

    fn compact(
        &self,
        progress: &mut dyn FnMut(Stage) -> std::ops::ControlFlow<()>,
    ) -> Result<Compacted, log::Error> {
        self.inner.compact(progress)
    }

    fn close(&self) -> Result<(), log::Error> {
        self.inner.close()
    }
}

#[tokio::test]
async fn a_repeat_is_not_known_before_the_first_is_durable() {
    for bench in Bench::each() {
        let (came, arrivals) = mpsc::channel();
        let (leave, leaves) = mpsc::channel();
        let outbox =
            Arc::new(bench.open_with(|inner| Box::new(GatedLog { inner, came, leave: Mutex::new(leaves) })));
        let mut posts = tokio::task::JoinSet::new();
        let first = Arc::clone(&outbox);
        posts.spawn(async move { first.append(vec![event("a", &["x"])]).await.unwrap() });
        let arrivals =
            tokio::task::spawn_blocking(move || arrivals.recv().map(|()| arrivals)).await.unwrap().unwrap();
        let (source, id) = (slug("colectiva"), EventId::new("a").unwrap());
        assert_eq!(outbox.glance(&source, &id), Some(None));
        assert_eq!(outbox.lookup(&source, &id).unwrap(), None);
        leave.send(()).unwrap();
        assert!(matches!(posts.join_next().await.unwrap().unwrap()[0], Appended::New(_)));
        let known = outbox.lookup(&source, &id).unwrap().unwrap();
        assert_eq!((known.lanes.as_slice(), outbox.lanes()), (&[0][..], vec![slug("x")]));
        drop((leave, arrivals));
    }
}
