//! Whether an organization may use a feature, answered from memory.
//!
//! Clones share the memory. It follows each transaction once that is durable, so an answer is never ahead
//! of what a crash leaves; it is read anew at each start. Never asks the file for an answer.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use crate::domain::subscription::State;
use crate::domain::time::Millis;
use crate::hub::reader::at;
use crate::registry::plans::{AppPlans, Kind, Plan, Plans};

/// How long an answer may be kept.
pub const TTL: Duration = Duration::from_secs(60);
/// How long a reported use says anything about now.
const USE_KEEP: Duration = Duration::from_secs(31 * 86_400);

/// The memory.
#[derive(Clone, Debug)]
pub struct Access {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    plans: Plans,
    /// By organization, then by app.
    tenants: RwLock<HashMap<String, HashMap<String, Tenant>>>,
}

/// What an organization has of an app.
#[derive(Clone, Debug, Default)]
struct Tenant {
    /// None if it has no subscription.
    held: Option<(State, String)>,
    /// What was used, by feature.
    uses: HashMap<String, Use>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    used: u64,
    limit: Option<u64>,
    at: Millis,
}

/// Why a feature is open, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The plan has it.
    Included,
    /// The app's free plan has it.
    Free,
    /// The subscription rests, and reading stays open.
    ReadOnly,
    /// No app of that name sells anything.
    UnknownApp,
    /// The app has no such feature.
    UnknownFeature,
    /// There is no subscription.
    NoSubscription,
    /// The plan does not have it.
    TierRequired,
    /// All that the plan allows is used.
    LimitReached,
    /// A renewal is owed.
    PastDue,
    /// It is suspended.
    Suspended,
    /// It was cancelled.
    Cancelled,
    /// It ended.
    Expired,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The app.
    pub app: String,
    /// The organization.
    pub organization_id: String,
    /// The feature.
    pub feature: String,
    /// Whether it is open.
    pub allowed: bool,
    /// Why.
    pub reason: Reason,
    /// Where the subscription stands; null if there is none.
    pub state: Option<&'static str>,
    /// The plan that counts.
    pub plan_id: Option<String>,
    /// Its tier.
    pub tier: Option<String>,
    /// How much of the feature there is; null for no limit.
    pub limit: Option<u64>,
    /// How much of it is used, as far as anybody reported.
    pub used: Option<u64>,
    /// The least plan that has it, where it is not open for want of one.
    pub required_plan: Option<String>,
    /// That plan's tier.
    pub required_tier: Option<String>,
    /// How long the answer may be kept.
    pub ttl_seconds: u64,
}

impl Answer {
    /// A name for this answer: the same as long as nothing in it changes.
    pub fn etag(&self) -> String {
        let mut hash = DefaultHasher::new();
        self.hash(&mut hash);
        format!("\"{:016x}\"", hash.finish())
    }
}

impl Access {
    /// An empty memory over `plans`.
    pub fn new(plans: Plans) -> Self {
        Self { shared: Arc::new(Shared { plans, tenants: RwLock::default() }) }
    }

    /// What is sold.
    pub fn plans(&self) -> &Plans {
        &self.shared.plans
    }

    /// Whether `organization` may use `feature` of `app`. In microseconds, and never fails.
    pub fn answer(&self, app: &str, organization: &str, feature: &str, now: Millis) -> Answer {
        let mut answer = Answer {
            app: app.to_owned(),
            organization_id: organization.to_owned(),
            feature: feature.to_owned(),
            allowed: false,
            reason: Reason::UnknownApp,
            state: None,
            plan_id: None,
            tier: None,
            limit: None,
            used: None,
            required_plan: None,
            required_tier: None,
            ttl_seconds: TTL.as_secs(),
        };
        let Some(sold) = self.shared.plans.app(app) else { return answer };
        let tenants = self.shared.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants.get(organization).and_then(|apps| apps.get(app));
        let held = tenant.and_then(|tenant| tenant.held.as_ref());
        answer.state = held.map(|(state, _)| state.as_str());
        let Some(kind) = sold.features.get(feature) else {
            answer.reason = Reason::UnknownFeature;
            return answer;
        };
        answer.judge(sold, held, *kind);
        let used = tenant.and_then(|tenant| tenant.uses.get(feature));
        let used = used.filter(|used| now.since(used.at) <= USE_KEEP);
        answer.used = used.map(|used| used.used);
        let plan = answer.plan_id.as_deref().and_then(|plan| sold.plans.get(plan));
        let cap = plan.and_then(|plan| plan.limits.get(feature).copied());
        // What an app says of its own limit counts where the plan names one, too.
        answer.limit = cap.map(|cap| used.and_then(|used| used.limit).unwrap_or(cap));
        if answer.allowed && answer.limit.is_some_and(|limit| answer.used.unwrap_or(0) >= limit) {
            (answer.allowed, answer.reason) = (false, Reason::LimitReached);
            answer.require(plan.and_then(|plan| plan.next.as_deref()), sold);
        } else if !answer.allowed && !matches!(answer.reason, Reason::PastDue | Reason::Suspended) {
            let least = sold.least_with(feature, &self.shared.plans);
            answer.require(least.map(|(id, _)| id), sold);
        }
        answer
    }

    /// All subscriptions and uses, anew.
    pub(super) fn read_all(&self, file: &Connection) -> rusqlite::Result<()> {
        let mut organizations = file
            .prepare("SELECT organization FROM subscriptions UNION SELECT organization FROM feature_use")?;
        let all = organizations.query_map((), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let mut tenants = HashMap::with_capacity(all.len());
        for organization in all {
            let apps = apps(file, &organization)?;
            tenants.insert(organization, apps);
        }
        *self.shared.tenants.write().unwrap_or_else(PoisonError::into_inner) = tenants;
        Ok(())
    }

    /// What `organization` has, anew.
    pub(super) fn read_one(&self, file: &Connection, organization: &str) -> rusqlite::Result<()> {
        let apps = apps(file, organization)?;
        let mut tenants = self.shared.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.insert(organization.to_owned(), apps);
        Ok(())
    }

    /// The plan that counts for `organization` in `app`, and its cycle, as the file has it.
    pub(super) fn plan_of(
        &self,
        file: &Connection,
        organization: &str,
        app: &str,
    ) -> rusqlite::Result<Option<(String, String)>> {
        let sql = "SELECT plan, cycle FROM subscriptions WHERE organization = ?1 AND app = ?2
            AND state NOT IN ('cancelled', 'expired')";
        let held = file
            .prepare_cached(sql)?
            .query_row([organization, app], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let free = || {
            let (id, _) = self.shared.plans.app(app)?.free()?;
            Some((id.to_owned(), "monthly".to_owned()))
        };
        Ok(held.or_else(free))
    }
}

impl Answer {
    /// Judges by the plan alone.
    fn judge(&mut self, sold: &AppPlans, held: Option<&(State, String)>, kind: Kind) {
        let (state, plan) = match held {
            Some((state, plan)) => (Some(*state), sold.plans.get(plan).map(|sold| (plan.as_str(), sold))),
            None => (None, None),
        };
        let rests = match state {
            Some(State::Trialing | State::Active | State::PendingCancellation) => None,
            Some(State::PastDue) => Some(Reason::PastDue),
            Some(State::Suspended) => Some(Reason::Suspended),
            Some(State::Cancelled) => return self.fall_back(sold, Reason::Cancelled),
            Some(State::Expired) => return self.fall_back(sold, Reason::Expired),
            None => return self.fall_back(sold, Reason::NoSubscription),
        };
        let is_included = plan.is_some_and(|(_, plan)| plan.features.contains(&self.feature));
        (self.allowed, self.reason) = match rests {
            _ if !is_included => (false, rests.unwrap_or(Reason::TierRequired)),
            None => (true, Reason::Included),
            Some(_) if kind == Kind::Read => (true, Reason::ReadOnly),
            Some(reason) => (false, reason),
        };
        self.count_by(plan);
    }

    /// Judges by the app's free plan.
    fn fall_back(&mut self, sold: &AppPlans, why: Reason) {
        let free = sold.free();
        let has = free.is_some_and(|(_, plan)| plan.features.contains(&self.feature));
        (self.allowed, self.reason) = if has { (true, Reason::Free) } else { (false, why) };
        self.count_by(free);
    }

    fn count_by(&mut self, plan: Option<(&str, &Plan)>) {
        self.plan_id = plan.map(|(id, _)| id.to_owned());
        self.tier = plan.map(|(_, plan)| plan.tier.clone());
    }

    fn require(&mut self, plan: Option<&str>, sold: &AppPlans) {
        let Some(id) = plan else { return };
        self.required_plan = Some(id.to_owned());
        self.required_tier = sold.plans.get(id).map(|plan| plan.tier.clone());
    }
}

/// What `organization` has of each app.
fn apps(file: &Connection, organization: &str) -> rusqlite::Result<HashMap<String, Tenant>> {
    let mut apps: HashMap<String, Tenant> = HashMap::new();
    let sql = "SELECT app, state, plan FROM subscriptions WHERE organization = ?1 AND app <> ''";
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query([organization])?;
    while let Some(row) = rows.next()? {
        let state: String = row.get(1)?;
        if let Some(state) = State::parse(&state) {
            apps.entry(row.get(0)?).or_default().held = Some((state, row.get(2)?));
        }
    }
    let sql = "SELECT app, feature, used, cap, at_ms FROM feature_use WHERE organization = ?1";
    let mut statement = file.prepare_cached(sql)?;
    let mut rows = statement.query(params![organization])?;
    while let Some(row) = rows.next()? {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let limit: Option<i64> = row.get(3)?;
        let used = Use { used: count(row.get(2)?), limit: limit.map(count), at: at(row, 4)? };
        apps.entry(row.get(0)?).or_default().uses.insert(row.get(1)?, used);
    }
    Ok(apps)
}
