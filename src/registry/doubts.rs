//! What the settings name and the registry does not know. Nothing is refused for it: the registry may follow.

use crate::config::{Config, Warning};
use crate::domain::catalog::{Catalog, nearest};

/// Every such name in `config`, with the one that may be meant.
pub fn of(config: &Config, catalog: &Catalog) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (slug, app) in &config.apps {
        let mut warn = |key: String, text: String| warnings.push(Warning { key, text });
        if catalog.app(slug.as_str()).is_none() {
            let text = format!(
                "is no app of the registry, so it sends and gets nothing{}",
                meant(catalog, slug.as_str())
            );
            warn(format!("apps.{slug}"), text);
        }
        let filter = &app.filter;
        for source in filter.sources.iter().flatten().filter(|source| catalog.app(source.as_str()).is_none())
        {
            let text = format!(
                "names `{source}`, which is no app of the registry{}",
                meant(catalog, source.as_str())
            );
            warn(format!("apps.{slug}.filter.sources"), text);
        }
        for pattern in filter.types.iter().flatten() {
            if !catalog.events().any(|event| pattern.matches(&event.event_type)) {
                let text = format!(
                    "has `{pattern}`, which no type of the registry fits; `camino registry list` shows them"
                );
                warn(format!("apps.{slug}.filter.types"), text);
            }
        }
    }
    warnings
}

fn meant(catalog: &Catalog, name: &str) -> String {
    nearest(name, catalog.apps().map(|app| app.slug.as_str())).map_or_else(
        || "; `camino registry list` shows them".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{App, Filter, TypePattern};
    use crate::domain::id::AppSlug;
    use crate::registry::embedded::catalog;

    fn doubts(app: &str, sources: &[&str], types: &[&str]) -> Vec<String> {
        let slug = |text: &&str| AppSlug::new(text).unwrap();
        let filter = Filter {
            sources: Some(sources.iter().map(slug).collect()),
            types: Some(types.iter().map(|text| TypePattern::new(text).unwrap()).collect()),
        };
        let mut config = Config::default();
        config.apps.insert(slug(&app), App { filter, ..App::default() });
        of(&config, &catalog().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_registry_does_not_know_is_told_with_what_may_be_meant() {
        assert_eq!(
            doubts("manha", &["colectiva", "colectivo"], &["payment.*", "paiment.*", "nothing.like.it"]),
            [
                "`apps.manha` is no app of the registry, so it sends and gets nothing; did you mean `mancha`?",
                "`apps.manha.filter.sources` names `colectivo`, which is no app of the registry; did you mean \
                 `colectiva`?",
                "`apps.manha.filter.types` has `paiment.*`, which no type of the registry fits; `camino registry \
                 list` shows them",
                "`apps.manha.filter.types` has `nothing.like.it`, which no type of the registry fits; `camino \
                 registry list` shows them",
            ]
        );
        assert_eq!(doubts("mancha", &["colectiva"], &["payment.completed", "*"]), [""; 0]);
    }
}
