//! The table of overlays: one row per app that differs from its config.
//!
//! A change reads, changes and writes in one transaction, so that two at once lose nothing.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::audit::{self, Entry};
use super::overlay::Overlay;
use super::seal::Sealer;
use super::{Control, Error, unreadable};
use crate::domain::id::AppSlug;

impl Control {
    /// All overlays.
    pub fn overlays(&self) -> Result<BTreeMap<AppSlug, Overlay>, Error> {
        self.read(|file| {
            let mut select = file.prepare_cached("SELECT settings, secrets, app FROM overlays")?;
            let rows = select.query_map([], |row| {
                let app: String = row.get(2)?;
                let app = AppSlug::new(&app).map_err(|error| unreadable(2, error))?;
                let overlay = overlay(&self.sealer, &app, row)?;
                Ok((app, overlay))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Puts `overlay` in the place of the app's.
    pub fn set_overlay(&self, app: &AppSlug, overlay: Overlay, entry: &Entry) -> Result<Overlay, Error> {
        self.change_overlay(app, entry, |old| *old = overlay)
    }

    /// Changes the app's overlay and returns it. One that changes nothing any more is removed.
    pub fn change_overlay(
        &self,
        app: &AppSlug,
        entry: &Entry,
        change: impl FnOnce(&mut Overlay),
    ) -> Result<Overlay, Error> {
        self.write(|file| {
            let mut changed = find(file, &self.sealer, app)?.unwrap_or_default();
            change(&mut changed);
            changed.check()?;
            put(file, &self.sealer, app, &changed)?;
            audit::insert(file, entry)?;
            Ok(changed)
        })
    }

    /// Goes back to the config. False, and no entry, if that held already.
    pub fn reset_overlay(&self, app: &AppSlug, entry: &Entry) -> Result<bool, Error> {
        self.write(|file| {
            if find(file, &self.sealer, app)?.is_none() {
                return Ok(false);
            }
            put(file, &self.sealer, app, &Overlay::default())?;
            audit::insert(file, entry)?;
            Ok(true)
        })
    }
}

fn find(file: &Connection, sealer: &Sealer, app: &AppSlug) -> Result<Option<Overlay>, Error> {
    let mut select = file.prepare_cached("SELECT settings, secrets FROM overlays WHERE app = ?")?;
    Ok(select.query_row([app.as_str()], |row| overlay(sealer, app, row)).optional()?)
}

fn put(file: &Connection, sealer: &Sealer, app: &AppSlug, overlay: &Overlay) -> Result<(), Error> {
    if overlay.is_empty() {
        file.execute("DELETE FROM overlays WHERE app = ?", [app.as_str()])?;
        return Ok(());
    }
    let settings = serde_json::to_string(overlay).map_err(|error| Error::Encode(error.to_string()))?;
    let secrets = sealer.seal(app, &overlay.secrets)?;
    file.execute(
        "INSERT INTO overlays (app, settings, secrets) VALUES (?, ?, ?)
         ON CONFLICT (app) DO UPDATE SET settings = excluded.settings, secrets = excluded.secrets",
        params![app.as_str(), settings, secrets],
    )?;
    Ok(())
}

fn overlay(sealer: &Sealer, app: &AppSlug, row: &Row<'_>) -> rusqlite::Result<Overlay> {
    let settings: String = row.get(0)?;
    let mut overlay: Overlay = serde_json::from_str(&settings).map_err(|error| unreadable(0, error))?;
    let sealed = row.get_ref(1)?.as_blob()?;
    overlay.secrets = sealer.open(app, sealed).map_err(|error| unreadable(1, error))?;
    Ok(overlay)
}
