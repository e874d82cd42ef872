//! The error catalogue: a page for each code, where its `type` leads to.

use std::fmt::Write as _;

use camino_broker::app::contract::openapi;
use camino_broker::domain::id::CorrelationId;
use camino_broker::http::problem::{Code, Problem};

use crate::current::Documents;

/// Where the pages are.
pub const FOLDER: &str = "docs/errors";

/// Every page, and the list of them.
pub fn pages() -> Documents {
    let mut pages = Documents::new();
    pages.insert(format!("{FOLDER}/README.md"), index());
    for code in Code::ALL {
        pages.insert(format!("{FOLDER}/{}", file(*code)), page(*code));
    }
    pages
}

/// `/errors/<slug>` leads to `docs/errors/<slug>.md`.
fn file(code: Code) -> String {
    format!("{}.md", code.type_uri().trim_start_matches("/errors/"))
}

fn index() -> String {
    let mut text = String::from(
        "# Problems\n\nEvery error is RFC 9457 `application/problem+json`. Match on `code`, which never changes; show \
         `detail`, which says what to mend in this request; quote `correlationId` when you ask for help. `type` is \
         where the page is: `GET /errors/<slug>` at the broker itself, and the files here.\n\n\
         | Code | Status | What it is |\n|---|---|---|\n",
    );
    for code in Code::ALL {
        let (word, file, status) = (code.as_str(), file(*code), code.status().as_u16());
        writeln!(text, "| [`{word}`]({file}) | {status} | {} |", code.title()).unwrap();
    }
    text
}

fn page(code: Code) -> String {
    let (word, title) = (code.as_str(), code.title());
    let mut text =
        format!("# `{word}`\n\n{title}. Status {}, `type` `{}`.\n\n", code.status(), code.type_uri());
    let mut put = |heading: &str, part: &str| write!(text, "## {heading}\n\n{part}\n\n").unwrap();
    put("What happened", code.meaning());
    put("Whose fault it is", &format!("{}.", capital(code.fault().as_str())));
    put("What to do", &done_about(code));
    let example = Problem::new(code, code.example()).correlation(CorrelationId::from_entropy([7; 12])).json();
    put("An example", &format!("```json\n{example:#}\n```"));
    put("Who answers it", &answered_by(code));
    format!("{}\n", text.trim_end())
}

fn done_about(code: Code) -> String {
    let mut text = code.mend().to_owned();
    if code.may_say_when() && !text.contains("Retry-After") {
        text.push_str("\n\n`Retry-After` says after how many seconds it is worth to ask again.");
    }
    text
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

fn answered_by(code: Code) -> String {
    let wanted = format!("\"{}\"", code.as_str());
    let mut lines = Vec::new();
    for (path, item) in openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let status = code.status().as_u16().to_string();
            let place = operation["responses"][&status]["$ref"].as_str();
            let answer = place.and_then(|place| openapi().pointer(place.strip_prefix('#')?));
            if answer.is_some_and(|answer| answer.to_string().contains(&wanted)) {
                lines.push(format!("- `{} {path}`", method.to_uppercase()));
            }
        }
    }
    if lines.is_empty() {
        return "Any path.".to_owned();
    }
    lines.join("\n")
}
