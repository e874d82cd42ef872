//! Spanish or English: by the small words, which nobody writes in the other language.

use super::verdict::Language;

/// Small words of Spanish, as people write them.
const ES: &[&str] = &[
    "al", "hay", "que", "ke", "q", "k", "de", "del", "el", "la", "las", "lo", "los", "un", "una", "y", "en",
    "es", "se", "si", "sí", "mi", "mis", "te", "le", "les", "nos", "su", "por", "para", "pa", "con", "sin",
    "pero", "como", "cómo", "cuanto", "cuánto", "donde", "dónde", "cuando", "ya", "hoy", "oi", "ayer",
    "esta", "está", "este", "están", "son", "fue", "muy", "más", "mas", "hasta", "todo", "todos", "nada",
    "d", "x", "desde", "porque", "tengo", "puedo", "quiero", "kiero", "favor", "gracias", "hola", "ola",
    "solo", "ni", "qué", "cual", "cuál",
];
/// Small words of English.
const EN: &[&str] = &[
    "the", "an", "and", "or", "of", "to", "in", "on", "at", "is", "are", "was", "it", "its", "this", "that",
    "for", "with", "from", "we", "our", "you", "your", "yor", "i", "im", "my", "do", "does", "not", "can",
    "cant", "how", "what", "wat", "where", "wher", "when", "wen", "which", "wich", "be", "by", "have", "as",
    "but", "they", "there", "if", "so", "all", "only", "please", "pleas", "since", "want", "would", "any",
    "same", "thanks", "hello", "hi", "who", "after", "has",
];
/// Letters that only Spanish has.
const SPANISH: &[char] = &['ñ', 'á', 'é', 'í', 'ó', 'ú', '¿', '¡'];

/// The language of `text`. Of two that are as likely it is Spanish.
pub(super) fn of(text: &str) -> Language {
    let text = text.to_lowercase().replace(['\'', '’'], "");
    let count = |known: &[&str]| {
        let words = text.split(|c: char| !c.is_alphanumeric());
        words.filter(|word| known.contains(word)).count()
    };
    let accents = text.chars().filter(|c| SPANISH.contains(c)).count();
    if count(EN) * 2 > count(ES) * 2 + accents { Language::En } else { Language::Es }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_words_tell() {
        for (text, language) in [
            ("No puedo entrar a mi cuenta", Language::Es),
            ("I can not sign in to my account", Language::En),
            ("ke dia avren en la escuela", Language::Es),
            ("the checkout is down since yesterday, ayuda", Language::En),
            ("El checkout está down desde el update", Language::Es),
            ("", Language::Es),
        ] {
            assert_eq!(of(text), language, "{text}");
        }
    }
}
