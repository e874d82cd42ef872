//! Cuts Rust source into words, marks, literals and comments, each with its line.
//!
//! Knows just enough of the language that a brace in a string or a path in a comment fools no rule.
//! It never judges: source that does not compile gives odd tokens, not an error.

/// What a token is; the rules look at little else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word,
    /// One character of punctuation, or `::`.
    Mark,
    /// A string or character literal, quotes and prefix included.
    Literal,
    /// A comment of any form, its opening included.
    Comment,
    /// A lifetime or a label.
    Lifetime,
}

/// A piece of source and the line it begins on.
#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub text: String,
    pub line: usize,
}

impl Token {
    /// Is this the word `text`?
    pub fn is_word(&self, text: &str) -> bool {
        self.kind == Kind::Word && self.text == text
    }

    /// Is this the mark `text`?
    pub fn is_mark(&self, text: &str) -> bool {
        self.kind == Kind::Mark && self.text == text
    }
}

/// All tokens of `source`, in order.
pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < chars.len() {
        if chars[at].is_whitespace() {
            line += usize::from(chars[at] == '\n');
            at += 1;
            continue;
        }
        let (kind, end) = token_at(&chars, at);
        let text: String = chars[at..end].iter().collect();
        let lines = text.matches('\n').count();
        found.push(Token { kind, text, line });
        line += lines;
        at = end;
    }
    found
}

/// The kind of the token that begins at `at`, and where it ends.
fn token_at(chars: &[char], at: usize) -> (Kind, usize) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => (Kind::Comment, find(chars, at, |c| c == '\n')),
        '/' if next == Some('*') => (Kind::Comment, block_comment_end(chars, at)),
        '"' => (Kind::Literal, quoted_end(chars, at + 1, '"')),
        '\'' => quote_end(chars, at),
        ':' if next == Some(':') => (Kind::Mark, at + 2),
        c if is_word(c) => word_end(chars, at),
        _ => (Kind::Mark, at + 1),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first place from `at` on where `stop` holds, else the end.
fn find(chars: &[char], at: usize, stop: impl Fn(char) -> bool) -> usize {
    (at..chars.len()).find(|&i| stop(chars[i])).unwrap_or(chars.len())
}

/// Block comments nest.
fn block_comment_end(chars: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = at;
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                i += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                i += 2;
                if depth == 0 {
                    return i;
                }
            }
            _ => i += 1,
        }
    }
    chars.len()
}

/// The end of a literal whose text begins at `at` and in which a backslash escapes.
fn quoted_end(chars: &[char], at: usize, quote: char) -> usize {
    let mut i = at;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// A character literal or a lifetime: only the former has its closing quote right behind it.
fn quote_end(chars: &[char], at: usize) -> (Kind, usize) {
    let escaped = chars.get(at + 1) == Some(&'\\');
    if escaped || chars.get(at + 2) == Some(&'\'') {
        // The second character is taken unread, so that the literal of a quote itself ends where it should.
        let body = if escaped { at + 1 } else { at + 2 };
        return (Kind::Literal, quoted_end(chars, body, '\''));
    }
    (Kind::Lifetime, find(chars, at + 1, |c| !is_word(c)))
}

/// A word, or the literal that the word is the prefix of.
fn word_end(chars: &[char], at: usize) -> (Kind, usize) {
    let end = find(chars, at, |c| !is_word(c));
    let prefix: String = chars[at..end].iter().collect();
    let hashes = find(chars, end, |c| c != '#') - end;
    let opens = chars.get(end + hashes);
    match prefix.as_str() {
        "r" | "br" | "cr" if opens == Some(&'"') => (Kind::Literal, raw_end(chars, end + hashes + 1, hashes)),
        "r" if hashes == 1 => (Kind::Word, find(chars, end + 1, |c| !is_word(c))),
        "b" | "c" if chars.get(end) == Some(&'"') => (Kind::Literal, quoted_end(chars, end + 1, '"')),
        "b" if chars.get(end) == Some(&'\'') => (Kind::Literal, quote_end(chars, end).1),
        _ => (Kind::Word, end),
    }
}

/// A raw string ends at a quote followed by as many hashes as it began with.
fn raw_end(chars: &[char], at: usize, hashes: usize) -> usize {
    (at..chars.len())
        .find(|&i| chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes)
        .map_or(chars.len(), |i| i + 1 + hashes)
}

#[cfg(test)]
mod tests {
    use super::{Kind, tokens};

    fn kinds(source: &str) -> Vec<(Kind, String)> {
        tokens(source).into_iter().map(|t| (t.kind, t.text)).collect()
    }

    #[test]
    fn literals_and_comments_are_one_token_each() {
        let cases = [
            (r#""a { \" } b""#, Kind::Literal),
            ("r\"a \\\"", Kind::Literal),
            ("r#\"a \"quoted\" b\"#", Kind::Literal),
            ("br##\"x\"# y\"##", Kind::Literal),
            (r#"b"bytes""#, Kind::Literal),
            (r#"c"text""#, Kind::Literal),
            ("'{'", Kind::Literal),
            (r"'\''", Kind::Literal),
            ("'''", Kind::Literal),
            (r"'\u{1F600}'", Kind::Literal),
            (r"b'\\'", Kind::Literal),
            ("'static", Kind::Lifetime),
            ("'_", Kind::Lifetime),
            ("r#type", Kind::Word),
            ("// use crate::app;", Kind::Comment),
            ("/* a /* nested */ { */", Kind::Comment),
            ("::", Kind::Mark),
            ("1_000", Kind::Word),
        ];
        for (source, kind) in cases {
            assert_eq!(kinds(source), [(kind, source.to_owned())], "{source}");
        }
    }

    #[test]
    fn lines_count_through_what_spans_several() {
        let source = "a \"x\ny\" b\n/* 1\n2 */ c\nr\"\n\" d";
        let lines: Vec<_> = tokens(source).into_iter().map(|t| (t.text, t.line)).collect();
        let line_of = |word: &str| lines.iter().find(|(text, _)| text == word).map(|(_, line)| *line);
        assert_eq!([line_of("a"), line_of("b"), line_of("c"), line_of("d")], [1, 2, 4, 6].map(Some));
    }

    #[test]
    fn generics_with_lifetimes_stay_apart_from_characters() {
        let texts: Vec<_> =
            tokens("fn f<'a>(x: &'a str) -> char { 'a' }").into_iter().map(|t| t.text).collect();
        let wanted = "fn f < 'a > ( x : & 'a str ) - > char { 'a' }";
        assert_eq!(texts.join(" "), wanted);
    }

    #[test]
    fn unfinished_source_ends_without_a_panic() {
        for source in ["\"open", "/* open", "r#\"open\"", "'", "b'", "'\\", "\"\\"] {
            assert!(!tokens(source).is_empty(), "{source}");
        }
    }
}
