//! Recommendations, made of `upsell.*` and of limits that are near; and how much of a feature is used.
//!
//! The last report of a use by its own time counts, whoever of an organization it is about.

use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use super::{Subscriptions, asked, said};
use crate::hub::command::Command;
use crate::hub::organizations::UNASSIGNED;
use crate::hub::work::derive;
use crate::hub::{Event, Trouble, Work};

/// From this much of a limit on it is near, in per cent.
const NEAR_PERCENT: i64 = 80;
/// What may be done with a recommendation.
const ACTIONS: [&str; 4] = ["shown", "clicked", "dismissed", "converted"];

/// Where an upsell event has what.
struct Shape {
    event_type: &'static str,
    feature: Option<&'static str>,
    subject: &'static [&'static str],
    used: &'static [&'static str],
    limit: &'static [&'static str],
}

const SHAPES: [Shape; 6] = [
    Shape {
        event_type: "upsell.appointment_capacity",
        feature: Some("bookings.create"),
        subject: &["therapistId"],
        used: &["currentCount"],
        limit: &["limit"],
    },
    Shape {
        event_type: "upsell.task_volume",
        feature: Some("tasks.accept"),
        subject: &["taskerId"],
        used: &["activeTasks"],
        limit: &["maxActiveTasks"],
    },
    Shape {
        event_type: "upsell.stamp_upgrade",
        feature: Some("stamps"),
        subject: &[],
        used: &["usedStamps", "stampsUsed", "currentUsage", "used"],
        limit: &["planLimit", "stampLimit", "limit"],
    },
    Shape {
        event_type: "upsell.constanza_onboarding",
        feature: None,
        subject: &["period"],
        used: &[],
        limit: &[],
    },
    Shape {
        event_type: "upsell.declaration_service",
        feature: Some("declarations.managed"),
        subject: &["period"],
        used: &[],
        limit: &[],
    },
    Shape {
        event_type: "subscription.limit_approaching",
        feature: None,
        subject: &["feature"],
        used: &["currentUsage"],
        limit: &["planLimit"],
    },
];

/// A report of use.
struct Use<'a> {
    app: &'a str,
    feature: &'a str,
    used: i64,
    limit: Option<i64>,
}

/// What an event says of use, and what it makes us recommend.
pub(super) fn take(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    event: &Event<'_>,
) -> Result<(), Trouble> {
    let event_type = event.event_type.as_str();
    let is_upsell = event_type.starts_with("upsell.");
    let shape = SHAPES.iter().find(|shape| shape.event_type == event_type);
    if shape.is_none() && !is_upsell {
        return Ok(());
    }
    let plans = subscriptions.access.plans();
    // An upsell is about the app that sends it.
    let app = said::app(event, plans).filter(|_| !is_upsell);
    let app = app.unwrap_or_else(|| event.source.as_str().to_owned());
    let told = event.text(&["feature"]);
    let feature = shape.and_then(|shape| shape.feature).or(told.as_deref());
    let of = |names: fn(&Shape) -> &'static [&'static str]| shape.map_or(&[][..], names);
    let used = said::whole(event, of(|shape| shape.used));
    let limit = said::whole(event, of(|shape| shape.limit));
    let percent = said::whole(event, &["utilizationPercent", "percentUsed"]);
    let percent = percent.or_else(|| percent_of(used?, limit?));
    let plan = event.text(&["plan", "planId"]);
    let sold = plans.app(&app);
    let suggested = event.text(&["suggestedPlan"]).map(std::borrow::Cow::into_owned).or_else(|| {
        let sold = sold?;
        let next = plan.as_deref().and_then(|plan| sold.plans.get(plan)?.next.clone());
        next.or_else(|| sold.least_with(feature?, plans).map(|(id, _)| id.to_owned()))
    });
    let reason = event.text(&["recommendation", "triggerReason", "reason"]);
    let subject = event.text(of(|shape| shape.subject)).unwrap_or_default();
    let id =
        derive(&["recommendation", work.organization(), &app, event_type, &subject]).simple().to_string();
    // What was dismissed stays so; a later writing of the same brings its words up to date.
    let sql = "INSERT INTO recommendations (id, organization, app, kind, subject, plan, suggested, reason,
            percent, status, times, first_ms, at_ms, source, event_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'open', 1, ?10, ?10, ?11, ?12)
        ON CONFLICT DO UPDATE SET times = times + 1,
            plan = iif(excluded.at_ms >= at_ms, excluded.plan, plan),
            suggested = iif(excluded.at_ms >= at_ms, excluded.suggested, suggested),
            reason = iif(excluded.at_ms >= at_ms, excluded.reason, reason),
            percent = iif(excluded.at_ms >= at_ms, excluded.percent, percent),
            first_ms = min(first_ms, excluded.first_ms), at_ms = max(at_ms, excluded.at_ms)";
    work.tx.prepare_cached(sql)?.execute(params![
        format!("rec_{id}"),
        work.organization(),
        app,
        event_type,
        subject,
        plan,
        suggested,
        reason,
        percent,
        work.at().0.cast_signed(),
        event.source.as_str(),
        event.event_id.as_str(),
    ])?;
    match (feature, used) {
        (Some(feature), Some(used)) if work.organization() != UNASSIGNED => {
            note_use(subscriptions, work, &Use { app: &app, feature, used, limit }, is_upsell)
        }
        _ => Ok(()),
    }
}

/// Notes a use, and tells the apps once when it comes near its limit.
fn note_use(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    report: &Use<'_>,
    may_tell: bool,
) -> Result<(), Trouble> {
    let organization = work.organization().to_owned();
    let at = work.at().0.cast_signed();
    let key = params![organization, report.app, report.feature];
    let sql = "SELECT at_ms, warned FROM feature_use WHERE organization = ?1 AND app = ?2 AND feature = ?3";
    let before: Option<(i64, bool)> =
        work.tx.prepare_cached(sql)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if before.is_some_and(|(before, _)| before > at) {
        return Ok(());
    }
    let standing = subscriptions.access.plan_of(work.tx, &organization, report.app)?;
    let (plan, cycle) = standing.unwrap_or_default();
    let plans = subscriptions.access.plans();
    let included = plans.plan(report.app, &plan).and_then(|plan| plan.limits.get(report.feature).copied());
    let limit = report.limit.or(included.and_then(|limit| i64::try_from(limit).ok()));
    let percent = limit.and_then(|limit| percent_of(report.used, limit));
    let is_near = percent.is_some_and(|percent| percent >= NEAR_PERCENT);
    let was_told = before.is_some_and(|(_, warned)| warned);
    let sql = "INSERT OR REPLACE INTO feature_use (organization, app, feature, used, cap, at_ms, warned)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let row = params![organization, report.app, report.feature, report.used, report.limit, at, is_near];
    work.tx.prepare_cached(sql)?.execute(row)?;
    subscriptions.touch(&organization);
    if may_tell && is_near && !was_told {
        let data = json!({
            "app": report.app, "planId": plan, "feature": report.feature, "currentUsage": report.used,
            "planLimit": limit, "percentUsed": percent, "billingCycle": cycle,
        });
        work.emit("subscription.limit_approaching", &data)?;
    }
    Ok(())
}

/// `subscriptions.use {app, feature, used}`: an app counts for itself.
pub(super) fn report(
    subscriptions: &Subscriptions,
    work: &mut Work<'_>,
    command: &Command,
) -> Result<Value, Trouble> {
    let (Some(app), Some(feature)) = (asked(command, "app"), asked(command, "feature")) else {
        return Err(Trouble::Refused("the body must have `app` and `feature`".to_owned()));
    };
    let used = command.body.get("used").and_then(said::number).filter(|used| *used >= 0);
    let used =
        used.ok_or_else(|| Trouble::Refused("`used` must be a number that is not negative".to_owned()))?;
    let known = subscriptions.access.plans().app(app).is_some_and(|sold| sold.features.contains_key(feature));
    if !known {
        return Err(Trouble::Refused(format!("`{app}` has no feature `{feature}` (registry/plans.toml)")));
    }
    note_use(subscriptions, work, &Use { app, feature, used, limit: None }, true)?;
    Ok(json!({ "organizationId": command.organization, "app": app, "feature": feature, "used": used }))
}

/// `subscriptions.track {recommendation, action}`: what became of a recommendation.
pub(super) fn track(work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "recommendation").unwrap_or_default();
    let action = asked(command, "action").unwrap_or_default();
    if !ACTIONS.contains(&action) {
        let known = ACTIONS.join(", ");
        return Err(Trouble::Refused(format!("`action` must be one of {known}, and not `{action}`")));
    }
    // What was clicked was shown: a status never goes back to `shown`.
    let sql = "UPDATE recommendations SET status = iif(?3 = 'shown' AND status <> 'open', status, ?3)
        WHERE id = ?1 AND organization = ?2 RETURNING status";
    let row = params![id, work.organization(), action];
    let status: Option<String> = work.tx.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?;
    let status = status.ok_or_else(|| Trouble::Missing(format!("there is no recommendation `{id}`")))?;
    Ok(json!({ "recommendationId": id, "status": status }))
}

fn percent_of(used: i64, limit: i64) -> Option<i64> {
    (limit > 0).then(|| used.saturating_mul(100) / limit)
}
