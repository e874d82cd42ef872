//! One spelling for what many apps write: e-mail addresses, phone numbers, tax ids, names.
//!
//! Pure. What cannot be read is none: no contact is ever found by a guess.

/// Tax ids that stand for "anybody": the public at large, and foreigners.
const NOBODYS_RFC: [&str; 2] = ["XAXX010101000", "XEXX010101000"];
/// The country of numbers that name none: where the ecosystem's apps are at home.
const COUNTRY: &str = "52";

/// An e-mail address in lower case.
pub(super) fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (user, host) = text.split_once('@')?;
    let fits = !user.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !host.contains('@')
        && text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    fits.then_some(text)
}

/// A phone number as E.164.
pub(super) fn phone(text: &str) -> Option<String> {
    let text = text.trim();
    let is_filler = |c: char| matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}');
    let mut digits = String::with_capacity(16);
    for (at, c) in text.chars().enumerate() {
        match c {
            '+' if at == 0 => {}
            _ if is_filler(c) => {}
            '0'..='9' => digits.push(c),
            _ => return None,
        }
    }
    let (is_international, digits) = match (text.starts_with('+'), digits.strip_prefix("00")) {
        (true, _) => (true, digits.as_str()),
        (false, Some(rest)) => (true, rest),
        (false, None) => (false, digits.as_str()),
    };
    let national = match (is_international, digits.len()) {
        (false, 10) => Some(digits),
        (_, 12) => digits.strip_prefix(COUNTRY),
        // Mobile numbers had a 1 behind the country until 2019.
        (_, 13) => digits.strip_prefix(COUNTRY).and_then(|rest| rest.strip_prefix('1')),
        _ => None,
    };
    match national {
        Some(national) => Some(format!("+{COUNTRY}{national}")),
        None => (is_international && (8..=15).contains(&digits.len()) && !digits.starts_with('0'))
            .then(|| format!("+{digits}")),
    }
}

/// A Mexican tax id in capitals, unless it is one that stands for anybody.
pub(super) fn rfc(text: &str) -> Option<String> {
    let text: String =
        text.chars().filter(|c| !matches!(c, ' ' | '-')).flat_map(char::to_uppercase).collect();
    let letters = text.chars().take_while(|c| c.is_ascii_uppercase() || matches!(c, 'Ñ' | '&')).count();
    let rest: String = text.chars().skip(letters).collect();
    let fits = (3..=4).contains(&letters)
        && rest.len() == 9
        && rest.bytes().take(6).all(|b| b.is_ascii_digit())
        && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    (fits && !NOBODYS_RFC.contains(&text.as_str())).then_some(text)
}

/// A name in lower case without accents, for comparing. None for a single word, which says too little.
pub(super) fn full_name(text: &str) -> Option<String> {
    let folded: String = text.chars().flat_map(char::to_lowercase).map(plain).collect();
    let words: Vec<&str> =
        folded.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 1).collect();
    (words.len() >= 2).then(|| words.join(" "))
}

fn plain(c: char) -> char {
    match c {
        'á' | 'à' | 'ä' | 'â' => 'a',
        'é' | 'è' | 'ë' | 'ê' => 'e',
        'í' | 'ì' | 'ï' | 'î' => 'i',
        'ó' | 'ò' | 'ö' | 'ô' => 'o',
        'ú' | 'ù' | 'ü' | 'û' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_address_has_one_spelling() {
        for text in ["ana@example.com", " Ana@Example.COM ", "ANA@EXAMPLE.COM"] {
            assert_eq!(email(text).as_deref(), Some("ana@example.com"));
        }
        for bad in ["", "ana", "@example.com", "ana@", "ana@host", "a b@example.com", "a@b@c.com", "a@.com"] {
            assert_eq!(email(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_number_has_one_spelling() {
        for text in [
            "+525511122233",
            "55 1112 2233",
            "(55) 1112-2233",
            "525511122233",
            "+52 1 55 1112 2233",
            "5215511122233",
            "0052 55 1112 2233",
        ] {
            assert_eq!(phone(text).as_deref(), Some("+525511122233"), "{text}");
        }
        assert_eq!(phone("+1 415 555 0100").as_deref(), Some("+14155550100"));
        for bad in ["", "12345", "ext. 12", "+12", "55111222334455667", "+0123456789"] {
            assert_eq!(phone(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_tax_id_names_somebody() {
        assert_eq!(rfc("luaa-850312-ab1").as_deref(), Some("LUAA850312AB1"));
        assert_eq!(rfc("ÑÑÑ850312AB1").as_deref(), Some("ÑÑÑ850312AB1"));
        for bad in ["XAXX010101000", "XEXX010101000", "", "LUAA850312AB", "LUAA85O312AB1", "LU850312AB1"] {
            assert_eq!(rfc(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_compared_without_accents_and_by_two_words_at_least() {
        assert_eq!(full_name("Ana Sofía  LUNA"), full_name("ana sofia luna"));
        assert_eq!(full_name("Ana"), None);
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            for fold in [email, phone, rfc, full_name] {
                if let Some(once) = fold(&text) {
                    prop_assert_eq!(fold(&once), Some(once.clone()));
                }
            }
        }
    }
}
