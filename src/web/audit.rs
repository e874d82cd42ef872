//! `/audit`: who did what. Needs a key with the scope `admin`, as over the API.

use maud::html;
use serde_json::Value;

use super::text::Text as T;
use super::view::table::{Column, table};
use super::view::{self, Html};
use super::visit::Visit;
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::operations;
use crate::store::control::audit::Recorded;
use crate::store::control::key::Scope;

/// `GET /audit`.
pub(super) async fn list(visit: Visit, List { paging, .. }: List<()>) -> Result<Html, Problem> {
    visit.allow(Scope::Admin)?;
    let page = operations::audit(&visit.web.ops, paging.cursor, paging.limit.into()).await?;
    let columns = [
        Column(visit.t(T::Began), false),
        Column(visit.t(T::Who), false),
        Column(visit.t(T::Did), false),
        Column(visit.t(T::Target), false),
        Column(visit.t(T::Detail), false),
    ];
    let row = |line: &Recorded| {
        let entry = &line.entry;
        vec![
            view::time(visit.now, entry.at),
            html! { (entry.actor.name) },
            html! { code { (entry.action) } },
            html! { (entry.target) },
            html! { span.said { (view::soft(&told(&entry.detail))) } },
        ]
    };
    let next = page.next.map(|seq| seq.to_string());
    let content = html! {
        @if page.items.is_empty() { (view::empty(visit.t(T::NoAudit), visit.t(T::NoAuditMend))) }
        @else { (table(visit.t(T::AuditLog), &columns, page.items.iter().map(row).collect())) }
        (view::next(&visit, "/audit", &[], next.as_deref()))
    };
    Ok(view::page(&visit, view::AUDIT, visit.t(T::AuditLog), &content))
}

/// What is known besides, without what was left out.
fn told(detail: &Value) -> String {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name}: {text}")),
        value => Some(format!("{name}: {value}")),
    };
    match detail {
        Value::Null => "–".to_owned(),
        Value::Object(fields) => fields.iter().filter_map(pair).collect::<Vec<_>>().join(" · "),
        detail => detail.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_detail_says_what_was_given() {
        let detail = json!({ "receiver": "baul", "since": null, "ratePerSecond": 5 });
        assert_eq!(told(&detail), "receiver: baul · ratePerSecond: 5");
        assert_eq!(told(&Value::Null), "–");
    }
}
