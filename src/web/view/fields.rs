//! What forms are made of. Every one that changes something brings a token of its own.

use maud::{Markup, html};

use crate::web::form::TOKEN;
use crate::web::sent;
use crate::web::text::{Lang, Text as T};
use crate::web::visit::Visit;

/// The field that every form of a session has: it proves where the form is from, and is taken once.
pub(in crate::web) fn token(visit: &Visit) -> Markup {
    let token = sent::token(&visit.session, visit.web.ops.parts.entropy.as_ref());
    hidden(TOKEN, &token)
}

/// What a form says by itself. Browsers keep what stood in a field over a reload; this is always the page's.
pub(in crate::web) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value) autocomplete="off"; }
}

/// A form that is a button.
pub(in crate::web) fn button(visit: &Visit, action: &str, name: &str, class: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            (token(visit))
            button class=(class) type="submit" { (name) }
        }
    }
}

/// A field with its name.
pub(in crate::web) fn field(name: &str, label: &str, value: &str, hint: &str) -> Markup {
    html! {
        label {
            span { (label) }
            input type="text" name=(name) value=(value) placeholder=(hint) autocomplete="off" spellcheck="false";
        }
    }
}

/// A choice of `words`, each with its text.
pub(in crate::web) fn options<'a>(
    name: &str,
    label: &str,
    value: &str,
    words: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                @for (word, text) in words { option value=(word) selected[word == value] { (text) } }
            }
        }
    }
}

/// A choice of `words` with its name; `""` is "any".
pub(in crate::web) fn choice(lang: Lang, name: &str, label: &str, value: &str, words: &[&str]) -> Markup {
    let words = words.iter().map(|word| (*word, lang.word(word)));
    options(name, label, value, [("", lang.t(T::Any))].into_iter().chain(words))
}
