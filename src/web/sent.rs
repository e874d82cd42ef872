//! The tokens of forms, and which of those were sent: each form is carried out once.
//!
//! A token is the session's own with a random one behind it, made for one form of one page. Only what was
//! sent is remembered, the latest of it: a page may show many forms and stay open for long. Never takes a
//! token twice while it is remembered.
//!
//! A crash forgets them all, and ends the sessions that they are good for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::session::{Session, random, same};
use crate::runtime::entropy::Entropy;

/// Forms that are remembered, of all sessions.
const SENT_MAX: usize = 10_000;
/// Between the session's token and the form's; in no token by itself.
const JOINT: char = '.';

/// On an answer: the form has changed nothing, so it may be sent again, as a browser does when the page is reloaded.
#[derive(Clone, Copy)]
pub(super) struct Unchanged;

/// A token for one form of `session`.
pub(super) fn token(session: &Session, entropy: &dyn Entropy) -> String {
    format!("{}{JOINT}{}", session.token, random(entropy))
}

/// Whether `token` was made for a form of `session`.
pub(super) fn is_of(session: &Session, token: &str) -> bool {
    token.split_once(JOINT).is_some_and(|(of, own)| same(of, &session.token) && !own.is_empty())
}

/// The tokens of the forms that were sent, oldest first.
#[derive(Default)]
pub(super) struct Sent {
    tokens: Mutex<VecDeque<String>>,
}

impl Sent {
    /// Takes the form with `token`; false if it was taken before.
    pub(super) fn take(&self, token: &str) -> bool {
        let mut tokens = self.tokens();
        if tokens.iter().any(|known| known == token) {
            return false;
        }
        if tokens.len() == SENT_MAX {
            tokens.pop_front();
        }
        tokens.push_back(token.to_owned());
        true
    }

    /// The form with `token` was not carried out, and may be sent again.
    pub(super) fn give_back(&self, token: &str) {
        self.tokens().retain(|known| known != token);
    }

    fn tokens(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::entropy::OsEntropy;
    use crate::store::control::key::Fingerprint;

    fn session(token: &str) -> Session {
        Session { key: Fingerprint::of("key"), token: token.to_owned() }
    }

    #[test]
    fn a_token_is_for_one_form_of_one_session() {
        let own = session("own");
        let (first, second) = (token(&own, &OsEntropy), token(&own, &OsEntropy));
        assert_ne!(first, second);
        assert!(is_of(&own, &first) && is_of(&own, &second));
        assert!(!is_of(&session("other"), &first));
        for forged in ["", ".", "own", "own.", ".own", "ow.n", "own2.x"] {
            assert!(!is_of(&own, forged), "{forged}");
        }
        assert!(!is_of(&session(""), ".x"), "a session without a token has no forms");
    }

    #[test]
    fn a_form_is_taken_once_unless_it_is_given_back() {
        let sent = Sent::default();
        assert!(sent.take("a") && sent.take("b"));
        assert!(!sent.take("a") && !sent.take("b"));
        sent.give_back("a");
        assert!(sent.take("a") && !sent.take("b"));
    }

    #[test]
    fn the_latest_ones_are_remembered() {
        let sent = Sent::default();
        for n in 0..=SENT_MAX {
            assert!(sent.take(&n.to_string()));
        }
        assert_eq!(sent.tokens().len(), SENT_MAX);
        assert!(!sent.take("1"));
        assert!(sent.take("0"), "the oldest was forgotten");
    }
}
