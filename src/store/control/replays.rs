//! Replay jobs: what was asked, how far each has come, and how it ended.
//!
//! A job's cursor is durable with its counts. A crash between an appended delivery and the cursor is not
//! undone here: whoever carries the job out sees by the journal what was appended already.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};

use super::audit::{self, Entry};
use super::instant::{from_column, to_column};
use super::{Control, Error, instant, unreadable};
use crate::domain::id::{AppSlug, EventType};
use crate::domain::time::Millis;

/// Most jobs under way.
pub const RUNNING_MAX: u32 = 16;
/// Most jobs in the table; those that ended longest ago make room.
const KEPT_MAX: u32 = 1_000;

const COLUMNS: &str =
    "number, id, asked, state, cursor_seq, below_seq, matched, done, skipped, created_ms, ended_ms";

/// How a delivery ended that is to be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedAs {
    /// It arrived.
    Delivered,
    /// It failed for good.
    Dead,
    /// It was cancelled.
    Cancelled,
}

/// What is asked of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Asked {
    /// Deliveries to this app; and what it was never sent, because it had no endpoint.
    pub receiver: Option<AppSlug>,
    /// Of events from this app.
    pub source: Option<AppSlug>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Of events of this organization.
    pub organization: Option<String>,
    /// Only those that ended so.
    pub state: Option<EndedAs>,
    /// Of events accepted then or later.
    #[serde(with = "instant::option")]
    pub since: Option<Millis>,
    /// Of events accepted then or earlier.
    #[serde(with = "instant::option")]
    pub until: Option<Millis>,
    /// Only count.
    pub dry_run: bool,
    /// Under new ids.
    pub as_new: bool,
    /// Most deliveries made a second.
    pub rate_per_second: Option<u32>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on, after a restart too.
    Running,
    /// It has come to its end.
    Done,
    /// A person stopped it.
    Cancelled,
}

impl State {
    const ALL: [Self; 3] = [Self::Running, Self::Done, Self::Cancelled];

    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Its name.
    pub replay_id: String,
    /// Deliveries that matched when it began.
    pub matched: u64,
    /// Where it stands.
    pub state: State,
    /// Deliveries made.
    pub done: u64,
    /// Matched, and not made: the receiver takes no part now, or somebody else made them meanwhile.
    pub skipped: u64,
    /// What was asked.
    pub asked: Asked,
    /// When it began.
    #[serde(with = "instant")]
    pub created_at: Millis,
    /// When it ended.
    #[serde(with = "instant::option")]
    pub ended_at: Option<Millis>,
    /// Its place among all jobs.
    #[serde(skip)]
    pub number: i64,
    /// The first event that is not done yet.
    #[serde(skip)]
    pub cursor: u64,
    /// Events from here on came after it began.
    #[serde(skip)]
    pub below: u64,
}

/// A job to begin.
#[derive(Clone, Debug)]
pub struct NewReplay {
    /// Its name.
    pub replay_id: String,
    /// What is asked.
    pub asked: Asked,
    /// Events from here on are left out.
    pub below: u64,
    /// Deliveries that match now.
    pub matched: u64,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The first event that is not done yet.
    pub cursor: u64,
    /// Deliveries made.
    pub done: u64,
    /// Deliveries not made.
    pub skipped: u64,
    /// When it came to its end, if it did.
    pub ended_at: Option<Millis>,
}

/// Some jobs, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The jobs.
    pub items: Vec<Replay>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<i64>,
}

impl Control {
    /// Begins a job at `entry.at`. The entry's target becomes the job's id.
    pub fn begin_replay(&self, new: &NewReplay, mut entry: Entry) -> Result<Replay, Error> {
        let asked = serde_json::to_string(&new.asked).map_err(|error| Error::Encode(error.to_string()))?;
        new.replay_id.clone_into(&mut entry.target);
        self.write(|file| {
            let sql = "SELECT count(*) FROM replays WHERE state = 'running'";
            if file.query_row(sql, [], |row| row.get::<_, u32>(0))? >= RUNNING_MAX {
                return Err(Error::TooManyReplays);
            }
            let room = "DELETE FROM replays WHERE state <> 'running' AND number NOT IN
                (SELECT number FROM replays ORDER BY number DESC LIMIT ?)";
            file.execute(room, [KEPT_MAX - 1])?;
            file.execute(
                "INSERT INTO replays (id, asked, state, cursor_seq, below_seq, matched, done, skipped, created_ms)
                 VALUES (:id, :asked, 'running', 0, :below, :matched, 0, 0, :at)",
                named_params! {
                    ":id": new.replay_id, ":asked": asked, ":below": new.below.cast_signed(),
                    ":matched": new.matched.cast_signed(), ":at": to_column(entry.at),
                },
            )?;
            audit::insert(file, &entry)?;
            find(file, &new.replay_id)
        })
    }

    /// One job.
    pub fn replay(&self, id: &str) -> Result<Replay, Error> {
        self.read(|file| find(file, id))
    }

    /// Up to `limit` jobs, newest first, older than the cursor `before`.
    pub fn replays(&self, before: Option<i64>, limit: usize) -> Result<Page, Error> {
        let wanted = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut items = self.read(|file| {
            let sql = format!("SELECT {COLUMNS} FROM replays WHERE number < ? ORDER BY number DESC LIMIT ?");
            let mut select = file.prepare_cached(&sql)?;
            let rows = select.query_map(params![before.unwrap_or(i64::MAX), wanted], replay)?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| last.number);
        Ok(Page { items, next })
    }

    /// The jobs that are not at their end, oldest first.
    pub fn running_replays(&self) -> Result<Vec<Replay>, Error> {
        self.read(|file| {
            let sql = format!("SELECT {COLUMNS} FROM replays WHERE state = 'running' ORDER BY number");
            let mut select = file.prepare_cached(&sql)?;
            let rows = select.query_map([], replay)?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })
    }

    /// Writes down how far a job has come; of one that was cancelled meanwhile only what it had made until then.
    /// False if it is not running any more.
    pub fn advance_replay(&self, id: &str, progress: Progress) -> Result<bool, Error> {
        self.write(|file| {
            file.execute(
                "UPDATE replays SET cursor_seq = :cursor, done = :done, skipped = :skipped
                 WHERE id = :id AND state <> 'done'",
                named_params! {
                    ":cursor": progress.cursor.cast_signed(), ":done": progress.done.cast_signed(),
                    ":skipped": progress.skipped.cast_signed(), ":id": id,
                },
            )?;
            let state = if progress.ended_at.is_some() { State::Done } else { State::Running };
            let sql = "UPDATE replays SET state = ?, ended_ms = ? WHERE id = ? AND state = 'running'";
            let changed = file.execute(sql, params![state.as_str(), progress.ended_at.map(to_column), id])?;
            Ok(changed > 0)
        })
    }

    /// Stops a job at `entry.at`; what it has made stays. One that has ended stays as it is.
    pub fn cancel_replay(&self, id: &str, entry: &Entry) -> Result<Replay, Error> {
        self.write(|file| {
            let sql =
                "UPDATE replays SET state = 'cancelled', ended_ms = ? WHERE id = ? AND state = 'running'";
            if file.execute(sql, params![to_column(entry.at), id])? > 0 {
                audit::insert(file, entry)?;
            }
            find(file, id)
        })
    }
}

fn find(file: &Connection, id: &str) -> Result<Replay, Error> {
    let sql = format!("SELECT {COLUMNS} FROM replays WHERE id = ?");
    let found = file.prepare_cached(&sql)?.query_row([id], replay).optional()?;
    found.ok_or_else(|| Error::UnknownReplay(id.to_owned()))
}

fn replay(row: &Row<'_>) -> rusqlite::Result<Replay> {
    let asked: String = row.get(2)?;
    let word: String = row.get(3)?;
    let state = State::ALL.into_iter().find(|state| state.as_str() == word);
    let count = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(Replay {
        number: row.get(0)?,
        replay_id: row.get(1)?,
        asked: serde_json::from_str(&asked).map_err(|error| unreadable(2, error))?,
        state: state.ok_or_else(|| unreadable(3, "no state of a replay"))?,
        cursor: count(4)?,
        below: count(5)?,
        matched: count(6)?,
        done: count(7)?,
        skipped: count(8)?,
        created_at: from_column(row.get(9)?),
        ended_at: row.get::<_, Option<i64>>(10)?.map(from_column),
    })
}
