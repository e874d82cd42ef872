//! `plans.toml`: what each plan of each app includes, keyed (app, planId).
//!
//! Read whole or not at all; the error names the place. Built into the binary like the rest of the registry.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// The file that is built in.
const EMBEDDED: &str = include_str!("../../registry/plans.toml");
/// The tier that needs no subscription.
pub const FREE: &str = "free";

/// What is wrong with the plans.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no TOML of this shape.
    #[error("plans.toml: {0}")]
    Shape(String),
    /// A plan names what is not there.
    #[error("plans.toml: {app}/{plan}: there is no {what} `{name}`")]
    Unknown {
        /// The app.
        app: String,
        /// The plan.
        plan: String,
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

/// What a feature does: reading stays open while nothing else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Looks only.
    Read,
    /// Makes or changes something.
    Write,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its name for people.
    pub name: String,
    /// Its tier.
    pub tier: String,
    /// What is open.
    pub features: Vec<String>,
    /// How much of a feature.
    #[serde(default)]
    pub limits: HashMap<String, u64>,
    /// The plan to recommend beyond it.
    pub next: Option<String>,
}

/// What an app sells.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppPlans {
    /// Every feature.
    pub features: HashMap<String, Kind>,
    /// The plans, by id.
    pub plans: BTreeMap<String, Plan>,
}

/// All plans.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    /// From the least to the most.
    pub tiers: Vec<String>,
    apps: BTreeMap<String, AppPlans>,
}

impl Plans {
    /// The built-in ones. Their text is tested, so an error here is a bug.
    pub fn embedded() -> Result<Self, Error> {
        Self::read(EMBEDDED)
    }

    /// Reads the text of a `plans.toml`.
    pub fn read(text: &str) -> Result<Self, Error> {
        let plans: Self = toml::from_str(text).map_err(|error| Error::Shape(error.to_string()))?;
        for (app, sold) in &plans.apps {
            for (id, plan) in &sold.plans {
                plans.check(app, sold, id, plan)?;
            }
        }
        Ok(plans)
    }

    fn check(&self, app: &str, sold: &AppPlans, id: &str, plan: &Plan) -> Result<(), Error> {
        let unknown = |what, name: &str| {
            Err(Error::Unknown { app: app.to_owned(), plan: id.to_owned(), what, name: name.to_owned() })
        };
        if !self.tiers.contains(&plan.tier) {
            return unknown("tier", &plan.tier);
        }
        if let Some(next) = plan.next.as_ref().filter(|next| !sold.plans.contains_key(*next)) {
            return unknown("plan", next);
        }
        let mut named = plan.features.iter().chain(plan.limits.keys());
        match named.find(|name| !sold.features.contains_key(*name)) {
            Some(name) => unknown("feature", name),
            None => Ok(()),
        }
    }

    /// What `app` sells.
    pub fn app(&self, app: &str) -> Option<&AppPlans> {
        self.apps.get(app)
    }

    /// A plan.
    pub fn plan(&self, app: &str, plan: &str) -> Option<&Plan> {
        self.apps.get(app)?.plans.get(plan)
    }

    /// The app that owns the plan `plan`; none if there is none, or more than one.
    pub fn owner(&self, plan: &str) -> Option<&str> {
        let mut owners = self.apps.iter().filter(|(_, sold)| sold.plans.contains_key(plan));
        let (owner, _) = owners.next()?;
        owners.next().is_none().then_some(owner)
    }

    /// A tier's place, from the least.
    pub fn rank(&self, tier: &str) -> usize {
        self.tiers.iter().position(|known| known == tier).unwrap_or(usize::MAX)
    }
}

impl AppPlans {
    /// The plan that needs no subscription.
    pub fn free(&self) -> Option<(&str, &Plan)> {
        self.plans.iter().find(|(_, plan)| plan.tier == FREE).map(|(id, plan)| (id.as_str(), plan))
    }

    /// The least plan that has `feature`, in the order of `tiers`.
    pub fn least_with(&self, feature: &str, all: &Plans) -> Option<(&str, &Plan)> {
        let has = self.plans.iter().filter(|(_, plan)| plan.features.iter().any(|one| one == feature));
        has.min_by_key(|(_, plan)| all.rank(&plan.tier)).map(|(id, plan)| (id.as_str(), plan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_plans_hold_together_and_their_apps_are_registered() {
        let plans = Plans::embedded().unwrap();
        let catalog = super::super::embedded::catalog().unwrap();
        let known: Vec<&str> = catalog.apps().map(|app| app.slug.as_str()).collect();
        for app in plans.apps.keys() {
            assert!(known.contains(&app.as_str()), "{app}");
        }
        let pro = plans.plan("cosmos-pet", "pro").unwrap();
        for feature in ["appointments.create", "appointments.read"] {
            assert!(pro.features.iter().any(|one| one == feature), "{feature}");
        }
        assert_eq!(plans.owner("pro"), Some("cosmos-pet"));
        assert_eq!(plans.owner("nobody's"), None);
    }

    #[test]
    fn a_plan_that_two_apps_have_is_nobodys() {
        let app = |name: &str| {
            format!(
                "[apps.{name}.features]\n[apps.{name}.plans.pro]\nname = 'P'\ntier = 'pro'\nfeatures = []\n"
            )
        };
        let plans = Plans::read(&format!("tiers = ['pro']\n{}{}", app("a"), app("b"))).unwrap();
        assert_eq!(plans.owner("pro"), None);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let with = |rest: &str| {
            Plans::read(&format!("tiers = ['pro']\n[apps.a.features]\n[apps.a.plans.p]\nname = 'P'\n{rest}"))
        };
        let said = |rest: &str| with(rest).unwrap_err().to_string();
        assert!(said("tier = 'gold'\nfeatures = []").contains("a/p: there is no tier `gold`"));
        assert!(said("tier = 'pro'\nfeatures = ['x']").contains("no feature `x`"));
        assert!(said("tier = 'pro'\nfeatures = []\nnext = 'q'").contains("no plan `q`"));
        assert!(matches!(with("tier = 'pro'"), Err(Error::Shape(_))));
    }
}
