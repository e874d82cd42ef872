//! Changes of endpoints: durable first, then in force, then audited with the change itself.

use std::sync::Arc;

use super::blocking;
use crate::config::Config;
use crate::dispatch::Handle;
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;
use crate::outbox::directory::{Directory, Snapshot};
use crate::store::control::audit::{Actor, Entry};
use crate::store::control::overlay::{DisabledReason, Overlay};
use crate::store::control::{Control, Error};

/// Lays operators' changes over the config and puts them in force; clones share it.
#[derive(Clone)]
pub struct Steering {
    /// The base.
    pub config: Arc<Config>,
    /// The changes.
    pub control: Arc<Control>,
    /// What is in force.
    pub directory: Directory,
    /// Who must know.
    pub dispatch: Handle,
}

impl Steering {
    /// Changes the overlay of `app`. When this returns the change is durable and in force.
    pub async fn change(
        &self,
        app: &AppSlug,
        entry: Entry,
        change: impl FnOnce(&mut Overlay) + Send + 'static,
    ) -> Result<(), Error> {
        self.lay(app, entry, change).await?;
        self.dispatch.refresh().await;
        Ok(())
    }

    /// As [`change`](Self::change), by which a person lets a receiver be sent to again that had said it
    /// is gone.
    pub async fn lift(
        &self,
        app: &AppSlug,
        entry: Entry,
        change: impl FnOnce(&mut Overlay) + Send + 'static,
    ) -> Result<(), Error> {
        self.lay(app, entry, change).await?;
        self.dispatch.lift(app).await;
        Ok(())
    }

    async fn lay(
        &self,
        app: &AppSlug,
        entry: Entry,
        change: impl FnOnce(&mut Overlay) + Send + 'static,
    ) -> Result<(), Error> {
        let (steering, app) = (self.clone(), app.clone());
        blocking::run(move || {
            steering.control.change_overlay(&app, &entry, change)?;
            steering.put_in_force()
        })
        .await
    }

    /// Drops the overlay of `app`: the config alone is in force again. False if there was none.
    pub async fn reset(&self, app: &AppSlug, entry: Entry) -> Result<bool, Error> {
        let (steering, reset) = (self.clone(), app.clone());
        let had = blocking::run(move || {
            let had = steering.control.reset_overlay(&reset, &entry)?;
            steering.put_in_force()?;
            Ok::<_, Error>(had)
        })
        .await?;
        self.dispatch.lift(app).await;
        Ok(had)
    }

    /// Makes the block of a receiver that answered 410 last.
    pub async fn gone(&self, app: &AppSlug, now: Millis) -> Result<(), Error> {
        let entry = Entry::new(now, Actor::broker(), "endpoints.disable", app.as_str());
        self.change(app, entry, move |overlay| {
            overlay.disable(DisabledReason::Gone, Some("the receiver answered 410"), now);
        })
        .await
    }

    fn put_in_force(&self) -> Result<(), Error> {
        self.directory.update(|| Ok(Snapshot::new(&self.config, &self.control.overlays()?)))
    }
}
