//! How secrets lie in the file: the one place that knows.
//!
//! Today as text in a file that only its owner may read; a leading byte tells the form, so that an
//! encrypted one can come beside it and old rows stay readable.

use zeroize::Zeroizing;

use super::Error;
use crate::domain::secret::Secret;

/// The form without encryption.
const PLAIN: u8 = 0;

/// Why sealed secrets cannot be opened. Never contains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed secrets cannot be opened")]
pub(super) struct Unopened;

/// Secrets as the file keeps them.
pub(super) fn seal(secrets: &[Secret]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let texts: Vec<&str> = secrets.iter().map(Secret::reveal).collect();
    postcard::to_extend(&texts, vec![PLAIN])
        .map(Zeroizing::new)
        .map_err(|error| Error::Encode(error.to_string()))
}

/// The way back.
pub(super) fn open(sealed: &[u8]) -> Result<Vec<Secret>, Unopened> {
    let Some((&PLAIN, rest)) = sealed.split_first() else { return Err(Unopened) };
    let texts: Vec<&str> = postcard::from_bytes(rest).map_err(|_| Unopened)?;
    texts.into_iter().map(|text| Secret::new(text).map_err(|_| Unopened)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_can_be_opened() {
        let secrets = [Secret::from_entropy(&[1; 32]), Secret::new("an older one").unwrap()];
        for held in [&secrets[..], &[]] {
            assert_eq!(open(&seal(held).unwrap()).unwrap(), held);
        }
    }

    #[test]
    fn an_unknown_form_is_refused() {
        let mut sealed = seal(&[Secret::from_entropy(&[1; 32])]).unwrap();
        sealed[0] = 9;
        assert_eq!(open(&sealed), Err(Unopened));
        assert_eq!(open(&[]), Err(Unopened));
        assert_eq!(open(&[PLAIN, 7]), Err(Unopened));
    }
}
