//! JSON text with line breaks, for people: every token stays as it came, and what is too long is cut.
//!
//! A parser and a printer would change what they show: `100.00` becomes `100.0`, a name that stands twice stands
//! once. Never makes more than it is asked for, however deep the text is nested.

/// Two spaces for each level; deeper ones stay there.
const LEVELS_MAX: usize = 20;

/// The text for people, and whether it is all of it.
pub(in crate::web) struct Indented {
    pub(in crate::web) text: String,
    pub(in crate::web) is_whole: bool,
}

/// `json` with a line for each member, at most about `bytes_max` long. Any text comes out as some text.
pub(in crate::web) fn indent(json: &str, bytes_max: usize) -> Indented {
    let mut text = String::new();
    let (mut level, mut in_string, mut escaped) = (0_usize, false, false);
    let mut signs = json.chars().peekable();
    while let Some(sign) = signs.next() {
        if text.len() >= bytes_max {
            return Indented { text, is_whole: false };
        }
        if in_string {
            text.push(sign);
            in_string = escaped || sign != '"';
            escaped = sign == '\\' && !escaped;
            continue;
        }
        match sign {
            '{' | '[' => {
                text.push(sign);
                while signs.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = signs.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    level += 1;
                    line(&mut text, level);
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                line(&mut text, level);
                text.push(sign);
            }
            ',' => {
                text.push(sign);
                line(&mut text, level);
            }
            ':' => text.push_str(": "),
            _ if sign.is_ascii_whitespace() => {}
            _ => {
                in_string = sign == '"';
                text.push(sign);
            }
        }
    }
    Indented { text, is_whole: true }
}

fn line(text: &mut String, level: usize) {
    text.push('\n');
    for _ in 0..level.min(LEVELS_MAX) {
        text.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(json: &str) -> String {
        indent(json, usize::MAX).text
    }

    /// `json` without the space between its tokens.
    fn packed(json: &str) -> String {
        let (mut in_string, mut escaped) = (false, false);
        let mut stays = |sign: &char| {
            let was_in = in_string;
            if in_string {
                in_string = escaped || *sign != '"';
                escaped = *sign == '\\' && !escaped;
            } else {
                in_string = *sign == '"';
            }
            was_in || !sign.is_ascii_whitespace()
        };
        json.chars().filter(|sign| stays(sign)).collect()
    }

    #[test]
    fn members_have_lines_and_tokens_stay() {
        let json = r#"{ "a":100.00,"a":1e400, "b" : ["x, \"y\": {", {} , [ ]],"c":{"d":null}}"#;
        let lines = [
            "{",
            "  \"a\": 100.00,",
            "  \"a\": 1e400,",
            "  \"b\": [",
            r#"    "x, \"y\": {","#,
            "    {},",
            "    []",
            "  ],",
            "  \"c\": {",
            "    \"d\": null",
            "  }",
            "}",
        ];
        assert_eq!(shown(json), lines.join("\n"));
    }

    #[test]
    fn what_is_deep_or_long_is_cut() {
        let json = format!("{}{}{}", "[".repeat(60), "1,".repeat(100_000), "1");
        let cut = indent(&json, 65_536);
        assert!(!cut.is_whole && cut.text.len() < 65_536 + 200, "{}", cut.text.len());
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_added(json in r#"[\[\]{}:," \\a0é\n]{0,80}"#) {
            prop_assert_eq!(packed(&shown(&json)), packed(&json));
        }
    }
}
