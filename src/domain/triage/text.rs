//! Words as the vocabulary compares them: folded, so that how people misspell them does not count.
//!
//! `timvrar` and `timbrar`, `kiero` and `quiero`, `cancelasion` and `cancelación` are the same word here.

/// The words of `text`, folded.
pub(super) fn words(text: &str) -> Vec<String> {
    let joined: String = text.chars().filter(|c| !matches!(c, '\'' | '’')).collect();
    joined.split(|c: char| !c.is_alphanumeric()).map(fold).filter(|word| !word.is_empty()).collect()
}

/// A word without case, accents, silent letters and doubled letters, and one letter for each sound.
pub(super) fn fold(word: &str) -> String {
    let plain: Vec<char> = word.chars().flat_map(char::to_lowercase).map(plain).collect();
    let mut folded = String::with_capacity(plain.len());
    let mut at = 0;
    while let Some(&letter) = plain.get(at) {
        let next = plain.get(at + 1).copied();
        let (sound, letters) = sound(letter, next);
        at += letters;
        if let Some(sound) = sound
            && !folded.ends_with(sound)
        {
            folded.push(sound);
        }
    }
    folded
}

/// What `letter` before `next` sounds like, and how many letters that took.
fn sound(letter: char, next: Option<char>) -> (Option<char>, usize) {
    match (letter, next) {
        ('q', Some('u')) => (Some('k'), 2),
        ('c', Some('h')) => (Some('x'), 2),
        ('c', Some('e' | 'i')) | ('z', _) => (Some('s'), 1),
        ('c', _) => (Some('k'), 1),
        ('v', _) => (Some('b'), 1),
        ('h', _) => (None, 1),
        ('g', Some('e' | 'i')) => (Some('j'), 1),
        ('n', Some('p' | 'b' | 'v')) => (Some('m'), 1),
        ('y', None) => (Some('i'), 1),
        (letter, _) => (Some(letter), 1),
    }
}

/// The letter without its accent.
fn plain(letter: char) -> char {
    match letter {
        'á' | 'à' | 'ä' | 'â' => 'a',
        'é' | 'è' | 'ë' | 'ê' => 'e',
        'í' | 'ì' | 'ï' | 'î' => 'i',
        'ó' | 'ò' | 'ö' | 'ô' => 'o',
        'ú' | 'ù' | 'ü' | 'û' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        letter => letter,
    }
}

/// Whether one letter added, left out or changed, or two swapped, makes `a` of `b`.
pub(super) fn is_near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same..], &b[same..]);
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Less => *a == b[1..],
        std::cmp::Ordering::Greater => a[1..] == *b,
        std::cmp::Ordering::Equal => match (a, b) {
            ([a1, a2, a @ ..], [b1, b2, b @ ..]) if a1 == b2 && a2 == b1 => a == b,
            ([_, a @ ..], [_, b @ ..]) => a == b,
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_fold_to_the_same() {
        for (right, wrong) in [
            ("timbrar", "timvrarr"),
            ("quiero", "kiero"),
            ("cancelación", "cancelasion"),
            ("ahora", "aora"),
            ("impresora", "inpresora"),
            ("registré", "REGISTRE"),
        ] {
            assert_eq!(fold(right), fold(wrong), "{right}");
        }
    }

    #[test]
    fn words_are_cut_at_what_is_no_letter() {
        assert_eq!(words("Doesn't work: ¿qué?"), ["doesnt", "work", "ke"]);
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words("🙌 \u{0} --"), Vec::<String>::new());
    }

    #[test]
    fn one_letter_is_near_and_two_are_not() {
        for near in ["faktura", "faktur", "faktuura", "afktura", "faktuda"] {
            assert!(is_near(near, "faktura"), "{near}");
        }
        for far in ["fakt", "fkatuar", "factoria", "kargo", ""] {
            assert!(!is_near(far, "faktura"), "{far}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_read(text in ".{0,200}", other in ".{0,12}") {
            for word in words(&text) {
                proptest::prop_assert!(!word.is_empty());
                is_near(&word, &other);
            }
        }
    }
}
