//! The vocabulary: phrases, what they say about a ticket, and how strongly. Read once from `cues.txt`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::text::{fold, is_near};
use super::verdict::{Area, Category, Priority, Sentiment};

/// From so many letters on one of them may be wrong.
const NEAR_LETTERS_MIN: usize = 6;

/// A question that is answered about a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Category,
    Priority,
    Sentiment,
    Area,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Category, Self::Priority, Self::Sentiment, Self::Area];

    fn parse(word: &str) -> Option<Self> {
        ["category", "priority", "sentiment", "area"]
            .iter()
            .position(|name| *name == word)
            .map(|at| Self::ALL[at])
    }

    /// How many answers it has.
    pub(super) fn labels(self) -> usize {
        match self {
            Self::Category => Category::ALL.len(),
            Self::Priority => Priority::ALL.len(),
            Self::Sentiment => Sentiment::ALL.len(),
            Self::Area => Area::ALL.len(),
        }
    }

    fn label(self, word: &str) -> Option<usize> {
        match self {
            Self::Category => Category::parse(word).map(|label| label as usize),
            Self::Priority => Priority::parse(word).map(|label| label as usize),
            Self::Sentiment => Sentiment::parse(word).map(|label| label as usize),
            Self::Area => Area::parse(word).map(|label| label as usize),
        }
    }
}

/// A phrase.
#[derive(Debug)]
pub(super) struct Cue {
    pub(super) kind: Kind,
    pub(super) label: usize,
    pub(super) weight: f64,
    /// As it is written, for people.
    pub(super) phrase: &'static str,
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    folded: String,
    /// Whether more letters may follow.
    is_stem: bool,
}

impl Word {
    fn matches(&self, word: &str) -> bool {
        let is_long = self.folded.chars().count() >= NEAR_LETTERS_MIN;
        if self.is_stem {
            let begin = || word.chars().take(self.folded.chars().count()).collect::<String>();
            word.starts_with(&self.folded) || (is_long && is_near(&begin(), &self.folded))
        } else {
            word == self.folded || (is_long && is_near(word, &self.folded))
        }
    }
}

impl Cue {
    /// Where it is in `words`.
    fn places(&self, words: &[String]) -> impl Iterator<Item = usize> {
        words
            .windows(self.words.len().max(1))
            .enumerate()
            .filter(|(_, window)| self.words.iter().zip(*window).all(|(word, found)| word.matches(found)))
            .map(|(at, _)| at)
    }
}

/// All of them.
pub(super) static CUES: LazyLock<Vec<Cue>> = LazyLock::new(|| {
    let lines = include_str!("cues.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.filter_map(line).flatten().collect()
});

/// The phrases of one line; none if it is not one.
fn line(line: &'static str) -> Option<Vec<Cue>> {
    let (head, phrases) = line.split_once(':')?;
    let mut head = head.split(' ');
    let kind = Kind::parse(head.next()?)?;
    let label = kind.label(head.next()?)?;
    let weight: f64 = head.next()?.parse().ok()?;
    let cue = |phrase: &'static str| Cue { kind, label, weight, phrase, words: phrase_words(phrase) };
    Some(phrases.trim().split('|').map(cue).collect())
}

fn phrase_words(phrase: &str) -> Vec<Word> {
    let words = phrase.split([' ', '-']).filter(|word| !word.is_empty());
    words
        .map(|word| Word { folded: fold(word.trim_end_matches('*')), is_stem: word.ends_with('*') })
        .collect()
}

/// Cues by the first two letters of their first word: a word is compared with those only, and with all whose
/// first letters may be the wrong ones.
static INDEX: LazyLock<HashMap<char, Vec<usize>>> = LazyLock::new(|| {
    let mut index: HashMap<char, Vec<usize>> = HashMap::new();
    for (n, cue) in CUES.iter().enumerate() {
        for letter in cue.words.first().into_iter().flat_map(|word| word.folded.chars().take(2)) {
            let cues = index.entry(letter).or_default();
            if cues.last() != Some(&n) {
                cues.push(n);
            }
        }
    }
    index
});

/// The cues that `words` hold, in their order, each with whether every place of it is denied.
pub(super) fn found(words: &[String], denied: &[bool]) -> Vec<(usize, bool)> {
    let mut near: Vec<usize> =
        words.iter().filter_map(|word| INDEX.get(&word.chars().next()?)).flatten().copied().collect();
    near.sort_unstable();
    near.dedup();
    let places = |n: usize| {
        let mut places = CUES[n].places(words).peekable();
        places.peek()?;
        Some((n, places.all(|at| denied.get(at).copied().unwrap_or(false))))
    };
    near.into_iter().filter_map(places).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::words;
    use super::*;

    #[test]
    fn every_line_of_the_vocabulary_is_read() {
        let lines =
            include_str!("cues.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        for text in lines {
            assert!(line(text).is_some_and(|cues| !cues.is_empty()), "{text}");
        }
        for cue in CUES.iter() {
            assert!(!cue.words.is_empty() && cue.words.iter().all(|word| !word.folded.is_empty()), "{cue:?}");
            assert!(cue.weight > 0.0 && cue.weight < 5.0, "{cue:?}");
        }
    }

    #[test]
    fn a_phrase_is_found_with_a_letter_wrong() {
        let has = |text: &str, phrase: &str| {
            let words = words(text);
            let denied = vec![false; words.len()];
            found(&words, &denied).iter().any(|(n, _)| CUES[*n].phrase == phrase)
        };
        assert!(has("mi suscrpcion", "suscripcion*"));
        assert!(has("fallla", "falla*"));
        assert!(!has("una subida", "suscripcion*"));
    }
}
