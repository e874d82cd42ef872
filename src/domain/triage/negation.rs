//! What a text says that it is not: "not a bug", "no es error".

/// Beginnings of a denial, folded, by words.
const DENIALS: &[&[&str]] = &[
    &["no", "es"],
    &["no", "estoi"],
    &["no", "ai"],
    &["no", "les"],
    &["not", "a"],
    &["not", "an"],
    &["isnt", "a"],
    &["noting", "is"],
    &["sin", "ningun"],
];
/// Words behind such a beginning that are denied.
const REACH: usize = 2;

/// For each word whether it is denied.
pub(super) fn denied(words: &[String]) -> Vec<bool> {
    let mut denied = vec![false; words.len()];
    for at in 0..words.len() {
        for denial in DENIALS {
            let is_here =
                denial.iter().enumerate().all(|(n, word)| words.get(at + n).is_some_and(|w| w == word));
            if is_here {
                let from = at + denial.len();
                denied.iter_mut().skip(from).take(REACH).for_each(|word| *word = true);
            }
        }
    }
    denied
}

#[cfg(test)]
mod tests {
    use super::super::text::words;
    use super::*;

    #[test]
    fn what_follows_a_denial_is_denied() {
        let denied_of = |text: &str| {
            let words = words(text);
            let denied = denied(&words);
            words
                .into_iter()
                .zip(denied)
                .filter(|(_, denied)| *denied)
                .map(|(word, _)| word)
                .collect::<Vec<_>>()
        };
        assert_eq!(denied_of("No es error, es sugerencia"), ["eror", "es"]);
        assert_eq!(denied_of("Not a bug at all"), ["bug", "at"]);
        assert_eq!(denied_of("It does not work"), Vec::<String>::new());
        assert_eq!(denied_of("no es"), Vec::<String>::new());
    }
}
