//! Tables that stay tables for a screen reader when they turn into cards on a phone.

use maud::{Markup, html};

/// One column: its name, and whether it holds numbers.
pub(in crate::web) struct Column(pub(in crate::web) &'static str, pub(in crate::web) bool);

/// A table with its name, which only screen readers are told.
pub(in crate::web) fn table(name: &str, columns: &[Column], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        table role="table" {
            caption.unseen { (name) }
            thead role="rowgroup" {
                tr role="row" {
                    @for Column(name, is_number) in columns {
                        th scope="col" role="columnheader" class=[is_number.then_some("number")] { (name) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (Column(name, is_number), cell) in columns.iter().zip(row) {
                            // On a phone name and value stand side by side, so the value is one thing.
                            td role="cell" data-name=(name) class=[is_number.then_some("number")] { div { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// Names and what they stand for, in two columns.
pub(in crate::web) fn facts(facts: Vec<(&str, Markup)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A text as it came, such as a body; long ones scroll in their own box.
pub(in crate::web) fn raw(name: &str, text: &str) -> Markup {
    html! { pre tabindex="0" role="region" aria-label=(name) { code { (text) } } }
}
