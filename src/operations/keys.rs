//! Keys as administrators see, make and revoke them.
//!
//! Never shows a key's text but the one that it has just made, once.

use super::{Operations, live};
use crate::http::page::{Page, Paging};
use crate::http::problem::{Code, Problem};
use crate::store::control::Control;
use crate::store::control::key::{Key, KeyId, NewKey, Plaintext, Principal};

/// All of them, newest first, without their text. The cursor is the last key of the page before.
pub async fn list(ops: &Operations, paging: &Paging) -> Result<Page<Key>, Problem> {
    let keys = ops.on_control(Control::keys).await?;
    let from = match &paging.cursor {
        None => 0,
        Some(cursor) => {
            1 + keys.iter().position(|key| key.key_id.as_str() == cursor).ok_or_else(|| {
                Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page")
            })?
        }
    };
    let more = keys.len().saturating_sub(from) > usize::from(paging.limit);
    let items: Vec<Key> = keys.into_iter().skip(from).take(paging.limit.into()).collect();
    let next = items.last().filter(|_| more).map(|key| key.key_id.to_string());
    Ok(Page { items, next })
}

/// Makes `new`; its id, and its text, which is nowhere else.
pub async fn create(
    ops: &Operations,
    caller: &Principal,
    new: NewKey,
) -> Result<(KeyId, Plaintext), Problem> {
    new.check(ops.parts.clock.now())
        .map_err(|error| Problem::new(Code::RequestInvalid, error.to_string()))?;
    let mut entropy = [0; 32];
    ops.parts.entropy.fill(&mut entropy);
    let entry = ops.entry(caller, "keys.create", &new.name);
    ops.on_control(move |control| control.create_key(&new, &entropy, entry)).await
}

/// Refuses the key `id` from now on, if it was not before.
pub async fn revoke(ops: &Operations, caller: &Principal, id: &str) -> Result<(), Problem> {
    // Not repeated: somebody may have taken a key's text for its id, and answers are kept.
    let missing = || Problem::new(Code::NotFound, "there is no key of this id; GET /v1/keys lists the ids");
    let key = KeyId::parse(id).ok_or_else(missing)?;
    let entry = ops.entry(caller, "keys.revoke", id);
    ops.on_control(move |control| control.revoke_key(&key, entry)).await?;
    live::recheck(ops);
    Ok(())
}
