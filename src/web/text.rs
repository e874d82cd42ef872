//! The pages' languages: which one a visitor reads, and what is said in it.
//!
//! Every text of ours stands once in `text/table.rs` in both languages; words that states and reasons have in
//! the API stand in `text/words.rs`, and one that is not there is shown as it is.

mod table;
mod words;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

use super::cookie;
use crate::http::problem::Code;
pub(super) use table::Text;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    Es,
    En,
}

impl Lang {
    pub(super) const ALL: [Self; 2] = [Self::Es, Self::En];

    /// Its tag.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }

    /// Its name in itself.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Es => "Español",
            Self::En => "English",
        }
    }

    /// Reads the tag back.
    pub(super) fn parse(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.as_str() == tag)
    }

    /// The one that was chosen, else the browser's first one that we speak, else English.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let chosen = cookie::read(headers, cookie::LANGUAGE).and_then(Self::parse);
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        chosen.unwrap_or_else(|| wanted.map_or(Self::En, Self::accepted))
    }

    fn accepted(wanted: &str) -> Self {
        let weighed = wanted.split(',').filter_map(|part| {
            let (tag, rest) = part.split_once(';').unwrap_or((part, ""));
            let lang = Self::parse(&tag.trim().get(..2)?.to_ascii_lowercase())?;
            let weight = rest.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
            Some((lang, weight))
        });
        // Of equals the first.
        let best = weighed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(Self::En, |(lang, _)| lang)
    }

    /// A text of ours.
    pub(super) const fn t(self, text: Text) -> &'static str {
        let (es, en) = text.pair();
        match self {
            Self::Es => es,
            Self::En => en,
        }
    }

    /// A word of the API in this language.
    pub(super) fn word(self, word: &str) -> &str {
        self.found(words::WORDS, word)
    }

    /// A breaker's state.
    pub(super) fn breaker(self, word: &str) -> &str {
        self.found(words::BREAKER, word)
    }

    /// A subscription's state, or what was said of it.
    pub(super) fn subscription(self, word: &str) -> &str {
        self.found(words::SUBSCRIPTION, word)
    }

    /// What a ticket is about, or how pressing it is.
    pub(super) fn triage(self, word: &str) -> &str {
        self.found(words::TRIAGE, word)
    }

    /// How a ticket stands.
    pub(super) fn ticket(self, word: &str) -> &str {
        self.found(words::TICKET, word)
    }

    /// A problem's title and what mends it.
    pub(super) fn problem(self, code: Code) -> (&'static str, &'static str) {
        let found = words::PROBLEMS.iter().find(|(known, _, _)| self == Self::Es && *known == code.as_str());
        found.map_or((code.title(), code.mend()), |(_, title, mend)| (title, mend))
    }

    fn found<'a>(self, words: &[(&str, &'static str, &'static str)], word: &'a str) -> &'a str {
        let found = words.iter().find(|(known, _, _)| *known == word);
        found.map_or(word, |(_, es, en)| match self {
            Self::Es => *es,
            Self::En => *en,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_s_first_language_that_we_speak_is_taken() {
        let table = [
            ("es-MX,es;q=0.9,en;q=0.8", Lang::Es),
            ("en-US,en;q=0.9,es;q=0.8", Lang::En),
            ("de,fr;q=0.9,es;q=0.1", Lang::Es),
            ("en;q=0.2, es;q=0.8", Lang::Es),
            ("de", Lang::En),
            ("", Lang::En),
            ("ü,;;,", Lang::En),
        ];
        for (wanted, lang) in table {
            assert_eq!(Lang::accepted(wanted), lang, "{wanted}");
        }
    }

    #[test]
    fn a_choice_wins_over_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, "en".parse().unwrap());
        headers.insert("cookie", "camino_language=es".parse().unwrap());
        assert_eq!(Lang::of(&headers), Lang::Es);
    }

    #[test]
    fn both_languages_have_every_text() {
        for text in Text::ALL {
            let (es, en) = text.pair();
            assert!(!es.trim().is_empty() && !en.trim().is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_problem_is_told_in_the_visitor_s_language() {
        assert_eq!(Lang::Es.problem(Code::NotFound).0, "Eso no existe");
        assert_eq!(Lang::En.problem(Code::NotFound).0, Code::NotFound.title());
        assert_eq!(Lang::Es.problem(Code::TooOld).0, Code::TooOld.title());
    }
}
