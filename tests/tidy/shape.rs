//! The shape of a file: its length, its functions, its opening words, and what it must not contain.
//!
//! Each rule takes one file and gives what is wrong in it; none looks at a second file.

use super::source::{Finding, Source, closing};
use super::token::{Kind, Token};

/// Longest file, in lines.
pub const FILE_LINES_MAX: usize = 800;
/// Longest function, signature to closing brace, in lines.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Longest `src/main.rs`, in lines.
pub const MAIN_LINES_MAX: usize = 30;

/// Names that say where code was put, not what it does.
const HOLLOW_NAMES: &[&str] = &["util", "utils", "manager", "helper", "helpers", "common"];
/// Macros that stand for code to be written.
const PLACEHOLDERS: &[&str] = &["todo", "unimplemented"];
/// Words in comments that stand for work to be done.
const PROMISES: &[&str] = &["TODO", "FIXME"];

/// A file that nobody reads to its end.
pub fn long_file(source: &Source) -> Vec<Finding> {
    let max = if source.path == "src/main.rs" { MAIN_LINES_MAX } else { FILE_LINES_MAX };
    let lines = source.text.lines().count();
    let what = || source.finding(max, format!("{lines} lines, {max} allowed"), "split it by what it knows");
    (lines > max).then(what).into_iter().collect()
}

/// Functions that fit no screen.
pub fn long_functions(source: &Source) -> Vec<Finding> {
    let code = &source.code;
    let named =
        |at: &usize| code[*at].is_word("fn") && code.get(at + 1).is_some_and(|name| name.kind == Kind::Word);
    let measured = (0..code.len()).filter(named).filter_map(|at| {
        let lines = code[body_end(code, at)?].line - code[at].line + 1;
        let what = format!("`{}` has {lines} lines, {FUNCTION_LINES_MAX} allowed", code[at + 1].text);
        let mend = "keep the decisions here, move the leaves out";
        (lines > FUNCTION_LINES_MAX).then(|| source.finding(code[at].line, what, mend))
    });
    measured.collect()
}

/// Where the body of the function at `at` ends; none if it is only declared.
fn body_end(code: &[Token], at: usize) -> Option<usize> {
    let mut i = at;
    while i < code.len() && !code[i].is_mark(";") {
        if code[i].is_mark("{") {
            return Some(closing(code, i));
        }
        i = if code[i].is_mark("(") || code[i].is_mark("[") { closing(code, i) + 1 } else { i + 1 };
    }
    None
}

/// A file that does not say what it is.
pub fn undocumented(source: &Source) -> Vec<Finding> {
    let mend = "begin with `//!`: what it is, what it must never do, what a crash does";
    let opens = source.text.lines().next().unwrap_or_default();
    let says = opens.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty());
    let what = || source.finding(1, "no leading `//!`", mend);
    (!says).then(what).into_iter().collect()
}

/// Modules and files named for nothing.
pub fn hollow_names(source: &Source) -> Vec<Finding> {
    let hollow = |name: &str| name.split('_').any(|part| HOLLOW_NAMES.contains(&part));
    let mend = "name it after what it does, in words of the domain";
    let mut found = Vec::new();
    if let Some(name) = source.module().iter().find(|name| hollow(name)) {
        found.push(source.finding(1, format!("a file or folder named `{name}`"), mend));
    }
    for pair in source.code.windows(2).filter(|pair| pair[0].is_word("mod") && hollow(&pair[1].text)) {
        found.push(source.finding(pair[1].line, format!("a module named `{}`", pair[1].text), mend));
    }
    found
}

/// Work left for later inside the code.
pub fn unfinished(source: &Source) -> Vec<Finding> {
    let mend = "write it now, or leave it out and open an issue";
    let mut found = Vec::new();
    for pair in source.code.windows(2).filter(|pair| pair[1].is_mark("!")) {
        if let Some(name) = PLACEHOLDERS.iter().find(|name| pair[0].is_word(name)) {
            found.push(source.finding(pair[0].line, format!("`{name}!`"), mend));
        }
    }
    for comment in &source.comments {
        let mut words = comment.text.split(|c: char| !c.is_alphanumeric());
        if let Some(word) = words.find(|word| PROMISES.contains(word)) {
            found.push(source.finding(comment.line, format!("`{word}` in a comment"), mend));
        }
    }
    found
}

/// Lints switched off without a reason.
pub fn allowed_lints(source: &Source) -> Vec<Finding> {
    let mend = "use #[expect(lint, reason = \"...\")]: it goes away when it is no longer needed";
    in_attributes(source, |code, at| {
        code[at].is_word("allow") && code.get(at + 1).is_some_and(|t| t.is_mark("("))
    })
    .map(|line| source.finding(line, "an `allow` attribute", mend))
    .collect()
}

/// Tests that never run.
pub fn ignored_tests(source: &Source) -> Vec<Finding> {
    let mend = "make it fit for every run, or delete it";
    in_attributes(source, |code, at| code[at].is_word("ignore"))
        .map(|line| source.finding(line, "an `#[ignore]` test", mend))
        .collect()
}

/// The lines of the attributes in which `wrong` holds at some token.
fn in_attributes(source: &Source, wrong: fn(&[Token], usize) -> bool) -> impl Iterator<Item = usize> {
    let code = &source.code;
    let holds =
        move |(from, to): (usize, usize)| (from..to).find(|at| wrong(code, *at)).map(|at| code[at].line);
    source.attributes().into_iter().filter_map(holds)
}

#[cfg(test)]
mod tests {
    use super::super::source::{Finding, Source};
    use super::*;

    type Rule = fn(&Source) -> Vec<Finding>;

    fn file(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    /// `bad` gives exactly one finding, on `line`; `good` gives none.
    fn tells_apart(rule: Rule, path: &str, bad: &str, line: usize, good: &str) {
        let found = rule(&file(path, bad));
        assert_eq!(found.iter().map(|f| f.line).collect::<Vec<_>>(), [line], "{bad}");
        let found = rule(&file(path, good));
        assert!(found.is_empty(), "{good}: {}", found[0]);
    }

    #[test]
    fn a_long_file_fails() {
        let [bad, good] = [801, 800].map(|lines| "x\n".repeat(lines));
        tells_apart(long_file, "src/store.rs", &bad, 800, &good);
        let [bad, good] = [31, 30].map(|lines| "x\n".repeat(lines));
        tells_apart(long_file, "src/main.rs", &bad, 30, &good);
    }

    #[test]
    fn a_long_function_fails() {
        let [bad, good] =
            [69, 68].map(|lines| format!("\nfn f(a: [u8; 4]) {{\n{}}}", "g();\n".repeat(lines)));
        tells_apart(long_functions, "src/store.rs", &bad, 2, &good);
        let declared = format!("trait T {{ fn f(a: [u8; 4]) -> u8;\n{}}}", "const A: u8 = 1;\n".repeat(90));
        assert!(long_functions(&file("src/store.rs", &declared)).is_empty());
    }

    #[test]
    fn a_file_without_opening_words_fails() {
        tells_apart(undocumented, "src/store.rs", "use x;\n//! Late.", 1, "//! What it is.\nuse x;");
        tells_apart(undocumented, "src/store.rs", "//!\nuse x;", 1, "//! What it is.");
    }

    #[test]
    fn a_hollow_name_fails() {
        let good = "mod distiller { fn helper() {} } // common util";
        tells_apart(hollow_names, "src/store.rs", "\nmod http_util;", 2, good);
        tells_apart(hollow_names, "src/store.rs", "mod common {}", 1, good);
        for path in ["src/helpers.rs", "src/store/util.rs", "src/task_manager/run.rs"] {
            assert_eq!(hollow_names(&file(path, "")).len(), 1, "{path}");
        }
    }

    #[test]
    fn unfinished_code_fails() {
        let good = "fn todo() { let s = \"TODO todo!()\"; } // Every todo is done.";
        for bad in
            ["\nfn f() { todo!() }", "\nfn f() { unimplemented!(\"x\") }", "\n// TODO: x", "\n/* FIXME */"]
        {
            tells_apart(unfinished, "src/store.rs", bad, 2, good);
        }
    }

    #[test]
    fn an_allow_attribute_fails() {
        let good = "#[expect(dead_code, reason = \"x\")] fn allow() { allow(1); } // #[allow(x)]";
        for bad in ["\n#[allow(dead_code)]", "\n#![allow(x)]", "\n#[cfg_attr(test, allow(x))]"] {
            tells_apart(allowed_lints, "src/store.rs", bad, 2, good);
        }
    }

    #[test]
    fn an_ignored_test_fails() {
        let good = "#[test] fn ignore() { let s = \"#[ignore]\"; }";
        for bad in ["\n#[ignore]", "\n#[ignore = \"slow\"]", "\n#[cfg_attr(unix, ignore)]"] {
            tells_apart(ignored_tests, "tests/it/main.rs", bad, 2, good);
        }
    }
}
