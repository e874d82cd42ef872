//! The table of keys: make, list, revoke, and the check that needs no table.
//!
//! A key is accepted as soon as its row is durable, and refused as soon as its revocation is. A crash
//! forgets at most when keys were last used.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::audit::{self, Entry};
use super::instant::{from_column, to_column};
use super::key::{ENTROPY_BYTES, Fingerprint, Hash, Key, KeyId, NewKey, Plaintext, Principal, hash, mint};
use super::keyring::{Keyring, Live, Used};
use super::{Control, Error, unreadable};
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;

/// Most keys in the table; the longest revoked ones make room.
pub(super) const KEYS_MAX: u32 = 10_000;
/// Most "last used" written by one flush.
const FLUSH_MAX: usize = 1_000;

const COLUMNS: &str =
    "id, name, scopes, source, created_ms, expires_ms, revoked_ms, last_used_ms, organizations";

impl Control {
    /// Makes a key at `entry.at`. The entry's target becomes the key's id.
    ///
    /// The text is nowhere else: whoever loses it makes another key.
    pub fn create_key(
        &self,
        new: &NewKey,
        entropy: &[u8; ENTROPY_BYTES],
        mut entry: Entry,
    ) -> Result<(KeyId, Plaintext), Error> {
        let now = entry.at;
        new.check(now)?;
        let (id, text) = mint(entropy);
        let hash = hash(text.reveal());
        let scopes = serde_json::to_string(&new.scopes).map_err(|error| Error::Encode(error.to_string()))?;
        id.as_str().clone_into(&mut entry.target);
        let principal = Principal {
            key_id: id.clone(),
            name: new.name.clone(),
            scopes: new.scopes.clone(),
            source: new.source.clone(),
            organizations: new.organizations.clone(),
        };
        let organizations = new.organizations.as_ref().map(serde_json::to_string).transpose();
        let organizations = organizations.map_err(|error| Error::Encode(error.to_string()))?;
        let live =
            Live { hash, principal: Arc::new(principal), expires_at: new.expires_at, used: Arc::default() };
        self.write_then(
            |file| {
                make_room(file)?;
                file.execute(
                    "INSERT INTO keys (id, hash, name, scopes, source, created_ms, expires_ms, organizations)
                     VALUES (:id, :hash, :name, :scopes, :source, :created, :expires, :organizations)",
                    named_params! {
                        ":id": id.as_str(), ":hash": hash, ":name": new.name, ":scopes": scopes,
                        ":source": new.source.as_ref().map(AppSlug::as_str), ":created": to_column(now),
                        ":expires": new.expires_at.map(to_column),
                        ":organizations": organizations,
                    },
                )?;
                audit::insert(file, &entry)
            },
            |()| self.keys.store(Arc::new(self.keys.load().with(live))),
        )?;
        Ok((id, text))
    }

    /// Refuses a key from `entry.at` on. False if it was revoked before. The entry's target becomes the
    /// key's id.
    pub fn revoke_key(&self, id: &KeyId, mut entry: Entry) -> Result<bool, Error> {
        id.as_str().clone_into(&mut entry.target);
        self.write_then(
            |file| {
                let revoked: Option<Option<i64>> = file
                    .query_row("SELECT revoked_ms FROM keys WHERE id = ?", [id.as_str()], |row| row.get(0))
                    .optional()?;
                match revoked {
                    None => return Err(Error::UnknownKey(id.clone())),
                    Some(Some(_)) => return Ok(false),
                    Some(None) => {}
                }
                let at = to_column(entry.at);
                file.execute("UPDATE keys SET revoked_ms = ? WHERE id = ?", params![at, id.as_str()])?;
                audit::insert(file, &entry)?;
                Ok(true)
            },
            |revokes| {
                if revokes {
                    self.keys.store(Arc::new(self.keys.load().without(id)));
                }
                revokes
            },
        )
    }

    /// All keys, revoked ones too, newest first.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        let mut keys = self.read(|file| {
            let mut select =
                file.prepare_cached(&format!("SELECT {COLUMNS} FROM keys ORDER BY created_ms DESC, id"))?;
            let keys = select.query_map([], key)?.collect::<Result<Vec<_>, _>>()?;
            Ok(keys)
        })?;
        let ring = self.keys.load();
        let used: HashMap<&KeyId, Option<Millis>> =
            ring.iter().map(|live| (&live.principal.key_id, live.used.last())).collect();
        for key in &mut keys {
            key.last_used_at = key.last_used_at.max(used.get(&key.key_id).copied().flatten());
        }
        Ok(keys)
    }

    /// Whose key `presented` is, if it is one and holds at `now`. Reads memory only.
    pub fn authenticate(&self, presented: &str, now: Millis) -> Option<Arc<Principal>> {
        self.recognize(Fingerprint::of(presented), now)
    }

    /// Whose key has this fingerprint, if it holds at `now`: a key that was revoked since has no owner any more.
    pub fn recognize(&self, Fingerprint(hash): Fingerprint, now: Millis) -> Option<Arc<Principal>> {
        if let Some(admin) = self.admin.as_ref().and_then(|admin| admin.matches(&hash)) {
            return Some(admin);
        }
        self.keys.load().find(&hash, now).map(|live| Arc::clone(&live.principal))
    }

    /// Writes when keys were last used, of those that lie a minute behind, at most 1,000 at a time. Returns how many;
    /// writes nothing if there are none. To be called once a minute or rarer.
    pub fn flush_last_used(&self) -> Result<usize, Error> {
        let ring = self.keys.load();
        let due: Vec<_> =
            ring.iter().filter_map(|live| Some((live, live.used.due()?))).take(FLUSH_MAX).collect();
        if due.is_empty() {
            return Ok(0);
        }
        self.write(|file| {
            let mut update = file.prepare_cached("UPDATE keys SET last_used_ms = ? WHERE id = ?")?;
            for (live, at) in &due {
                update.execute(params![to_column(*at), live.principal.key_id.as_str()])?;
            }
            Ok(())
        })?;
        for (live, at) in &due {
            live.used.flushed(*at);
        }
        Ok(due.len())
    }
}

/// The keys that were not revoked.
pub(super) fn load(file: &Connection) -> Result<Keyring, Error> {
    let mut select = file.prepare(&format!("SELECT {COLUMNS}, hash FROM keys WHERE revoked_ms IS NULL"))?;
    let live = |row: &Row<'_>| {
        let hash: Hash = row.get(9)?;
        let key = key(row)?;
        let principal = Principal {
            key_id: key.key_id,
            name: key.name,
            scopes: key.scopes,
            source: key.source,
            organizations: key.organizations,
        };
        Ok(Live {
            hash,
            principal: Arc::new(principal),
            expires_at: key.expires_at,
            used: Arc::new(Used::stored(key.last_used_at)),
        })
    };
    let keys = select.query_map([], live)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Keyring::new(keys))
}

fn make_room(file: &Connection) -> Result<(), Error> {
    let held: u32 = file.query_row("SELECT count(*) FROM keys", [], |row| row.get(0))?;
    if held < KEYS_MAX {
        return Ok(());
    }
    let oldest = "SELECT id FROM keys WHERE revoked_ms IS NOT NULL ORDER BY revoked_ms LIMIT 1";
    match file.execute(&format!("DELETE FROM keys WHERE id = ({oldest})"), [])? {
        0 => Err(Error::TooManyKeys),
        _ => Ok(()),
    }
}

fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    let id: String = row.get(0)?;
    let scopes: String = row.get(2)?;
    let source: Option<String> = row.get(3)?;
    let organizations: Option<String> = row.get(8)?;
    let instant = |column| row.get::<_, Option<i64>>(column).map(|at| at.map(from_column));
    Ok(Key {
        key_id: KeyId::parse(&id).ok_or_else(|| unreadable(0, "no key id"))?,
        name: row.get(1)?,
        scopes: serde_json::from_str(&scopes).map_err(|error| unreadable(2, error))?,
        source: source
            .map(|source| AppSlug::new(&source))
            .transpose()
            .map_err(|error| unreadable(3, error))?,
        // A binding that cannot be read must never read as none.
        organizations: organizations
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| unreadable(8, error))?,
        created_at: from_column(row.get(4)?),
        expires_at: instant(5)?,
        revoked_at: instant(6)?,
        last_used_at: instant(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_longest_revoked_key_makes_room_and_a_live_one_never_does() {
        let mut file = Connection::open_in_memory().unwrap();
        schema::migrate(&mut file, schema::STEPS).unwrap();
        file.execute(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)
             INSERT INTO keys (id, hash, name, scopes, created_ms) SELECT n, CAST(n AS BLOB), '', '[]', 0 FROM n",
            [KEYS_MAX],
        )
        .unwrap();
        assert!(matches!(make_room(&file), Err(Error::TooManyKeys)));
        file.execute("UPDATE keys SET revoked_ms = 100 - id WHERE id IN ('7', '8', '9')", []).unwrap();
        make_room(&file).unwrap();
        make_room(&file).unwrap();
        let revoked: Vec<String> = file
            .prepare("SELECT id FROM keys WHERE revoked_ms IS NOT NULL ORDER BY id")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(revoked, ["7", "8"], "one went, and that was enough");
    }
}
