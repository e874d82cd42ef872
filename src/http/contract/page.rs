//! The interface as one page of HTML: no script, no host but this one, one style whose hash the policy names.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::document::by_status;
use super::{Access, Answer, Chapter, Operation, parameter};

const STYLE: &str = include_str!("page.css");

/// A page, and the content security policy that it must be served with.
#[derive(Clone, Debug)]
pub struct Page {
    /// The page.
    pub html: String,
    /// The policy.
    pub policy: String,
}

/// The page of `chapters`.
pub fn page(chapters: &[Chapter]) -> Page {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Camino: the HTTP interface</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>",
    );
    html.push_str(STYLE);
    html.push_str(
        "</style></head><body><header><h1>Camino</h1><p>The HTTP interface, as this broker has it. The same for \
         programs: <a href=\"/openapi.json\">/openapi.json</a>.</p></header><nav aria-label=\"Chapters\"><ul>",
    );
    for chapter in chapters {
        put(&mut html, format_args!("<li><a href=\"#{0}\">{0}</a></li>", chapter.name));
    }
    html.push_str("</ul></nav><main>");
    for chapter in chapters {
        let (name, about) = (chapter.name, said(chapter.about));
        put(&mut html, format_args!("<section id=\"{name}\"><h2>{name}</h2><p>{about}</p>"));
        for operation in &chapter.operations {
            put_operation(&mut html, operation);
        }
        html.push_str("</section>");
    }
    html.push_str("</main></body></html>");
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Page { html, policy }
}

/// Writing to a text doesn't fail.
fn put(html: &mut String, part: std::fmt::Arguments<'_>) {
    let _ = html.write_fmt(part);
}

fn put_operation(html: &mut String, operation: &Operation) {
    let (method, path) = (&operation.method, escaped(operation.path));
    put(
        html,
        format_args!(
            "<details id=\"{}\"><summary><b>{method}</b> <code>{path}</code> <span>{}</span></summary>",
            operation.id,
            escaped(operation.summary),
        ),
    );
    if !operation.about.is_empty() {
        put(html, format_args!("<p>{}</p>", said(operation.about)));
    }
    put(html, format_args!("<p>{}</p>", needs(operation.access)));
    put_parameters(html, operation);
    if let Some(body) = &operation.body {
        let left_out = if body.required { "" } else { ", which may be left out" };
        put(html, format_args!("<h3>Body{left_out}</h3>"));
        put_json(html, &body.example);
    }
    for answer in &operation.answers {
        put_answer(html, answer);
    }
    if !operation.problems.is_empty() {
        html.push_str("<h3>Problems</h3><ul>");
        for (status, codes) in by_status(&operation.problems) {
            for code in codes {
                let (uri, word, title) = (code.type_uri(), code.as_str(), escaped(code.title()));
                put(
                    html,
                    format_args!("<li>{status} <a href=\"{uri}\"><code>{word}</code></a> {title}</li>"),
                );
            }
        }
        html.push_str("</ul>");
    }
    html.push_str("</details>");
}

fn needs(access: Access) -> String {
    match access {
        Access::Open => "Open to anyone.".to_owned(),
        Access::Proof => {
            "With a signature of the source, or a key with the scope <code>events:write</code> that is \
                          bound to it."
                .to_owned()
        }
        Access::Key(scope) => format!("With a key that has the scope <code>{}</code>.", scope.as_str()),
    }
}

fn put_parameters(html: &mut String, operation: &Operation) {
    let mut rows = Vec::new();
    if let Some((meaning, _)) = operation.named
        && let Some(name) = super::document::path_parameter(operation.path)
    {
        rows.push((name, "in the path", meaning.to_owned()));
    }
    for name in &operation.names {
        let own = operation.said.iter().find(|(said, _)| said == name).map(|(_, shape)| shape.clone());
        let shape = own.or_else(|| parameter::common(name)).unwrap_or_default();
        let words = shape["enum"].as_array().map(|words| {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            format!(" One of {}.", words.join(", "))
        });
        let about = shape["description"].as_str().unwrap_or_default();
        let place = if operation.required.contains(name) { "in the query, needed" } else { "in the query" };
        rows.push((name, place, format!("{about}{}", words.unwrap_or_default())));
    }
    for (name, meaning) in &operation.headers {
        rows.push((name, "header", (*meaning).to_owned()));
    }
    if operation.is_keyed_write() {
        let about =
            "The same key with the same body gets the same answer for 24 hours, and nothing is done twice.";
        rows.push(("Idempotency-Key", "header", about.to_owned()));
    }
    if rows.is_empty() {
        return;
    }
    html.push_str(
        "<h3>Parameters</h3><table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Where</th>\
                   <th scope=\"col\">Meaning</th></tr></thead><tbody>",
    );
    for (name, place, about) in rows {
        let about = said(&about);
        put(html, format_args!("<tr><td><code>{name}</code></td><td>{place}</td><td>{about}</td></tr>"));
    }
    html.push_str("</tbody></table>");
}

fn put_answer(html: &mut String, answer: &Answer) {
    put(html, format_args!("<h3>{}: {}</h3>", answer.status, said(answer.meaning)));
    match answer.content.as_ref().map(|content| &content.example) {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => put(html, format_args!("<pre>{}</pre>", escaped(text))),
        Some(json) => put_json(html, json),
    }
}

fn put_json(html: &mut String, json: &Value) {
    put(html, format_args!("<pre>{}</pre>", escaped(&format!("{json:#}"))));
}

/// `text` as HTML, and what it has between backticks as code.
fn said(text: &str) -> String {
    let pieces = escaped(text);
    let shown = pieces.split('`').enumerate().map(|(at, piece)| match at % 2 {
        0 => piece.to_owned(),
        _ => format!("<code>{piece}</code>"),
    });
    shown.collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
