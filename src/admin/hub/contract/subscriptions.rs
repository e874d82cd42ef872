//! Subscriptions, features, recommendations and registration.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::ecosystem::{Asked, Recommended, Whose};
use super::super::subscriptions::Wanted;
use super::{AT, EVENT, ORGANIZATION, change, get, organization};
use crate::domain::subscription::{Cycle, State};
use crate::domain::time::Millis;
use crate::http::contract::Chapter;
use crate::http::contract::shape::{
    count, filled, flag, integer, list, named, object, or_null, page_of, page_with, partly, slug, text, time,
    word,
};
use crate::http::problem::Code;
use crate::hub::subscriptions::access::{Answer, Reason};
use crate::hub::subscriptions::reading::{Recommendation, STATUSES};

const ID: &str = "The subscription's id.";
const SUBSCRIPTION: &str = "sub_f0e1d2c3b4a59687";
const RECOMMENDATION: &str = "ups_8899aabbccddeeff";
const ACTIONS: [&str; 6] = ["plan", "suspend", "resume", "renew", "activate", "cancel"];

pub(super) fn chapter() -> Chapter {
    Chapter {
        name: "subscriptions",
        about: "What organizations have of which app, and what apps ask on their own: features, recommendations, \
                registration, insights.",
        operations: vec![
            get("/api/subscriptions", "listSubscriptions", "List subscriptions, the last begun first")
                .lists::<Wanted>()
                .says("state", word(states(), "Only those that stand so."))
                .says("unresolved", word(["true", "false"], "`true`: only those whose app nobody knows."))
                .answers(200, "A page.", page_of("Subscription"), page_with(&subscription())),
            change(Method::POST, "/api/subscriptions", "createSubscription", "Begin a subscription")
                .takes(creation(), json!({ "organizationId": ORGANIZATION, "app": "plenura", "planId": "plenura_pro", "trial": true }))
                .answers(200, "The subscription.", named("Subscription"), subscription()),
            get("/api/subscriptions/{id}", "showSubscription", "Show a subscription with its past")
                .named(ID, SUBSCRIPTION)
                .answers(200, "The subscription.", named("SubscriptionWithPast"), with_past()),
            change(Method::PATCH, "/api/subscriptions/{id}", "changeSubscription", "Change a subscription")
                .named(ID, SUBSCRIPTION)
                .takes(changes(), json!({ "action": "plan", "planId": "enterprise" }))
                .answers(200, "The subscription as it is now.", named("Subscription"), subscription()),
            feature_access(),
            get("/api/ecosystem/upsell-recommendations", "listRecommendations", "List recommendations, the last begun first")
                .about("Without `status` those that nobody has dismissed or taken.")
                .lists::<Recommended>()
                .says("status", word(STATUSES, "Only those that stand so."))
                .answers(200, "A page.", page_of("Recommendation"), page_with(&json!(recommendation()))),
            track(),
            register(),
            get("/api/ecosystem/customer-insights", "showInsights", "An organization's customers in numbers")
                .about("For a key of that organization, its plan of this app must have the feature.")
                .asks::<Whose>()
                .says("organization", filled("The organization."))
                .needs(&["organization"])
                .answers(200, "The numbers.", named("Insights"), insights())
                .refuses(&[Code::NotFound, Code::TierRequired]),
        ],
        shapes: shapes(),
    }
}

fn feature_access() -> crate::http::contract::Operation {
    get("/api/ecosystem/feature-access", "showFeatureAccess", "Whether an organization may use a feature")
        .about("200 whatever the answer, from memory. It may be kept for `ttlSeconds`, and asked again by its ETag.")
        .asks::<Asked>()
        .needs(&["app", "organization", "feature"])
        .says("app", filled("The app."))
        .says("organization", filled("The organization."))
        .says("feature", filled("The feature."))
        .header("If-None-Match", "The ETag of an answer that is there already.")
        .answers(200, "The answer.", named("FeatureAccess"), json!(access()))
        .with_headers(&[("ETag", "Names this answer."), ("Cache-Control", "How long it may be kept.")])
        .answers_empty(304, "Nothing has changed.")
        .with_headers(&[("ETag", "Names this answer."), ("Cache-Control", "How long it may be kept.")])
        .refuses(&[Code::NotFound])
}

fn track() -> crate::http::contract::Operation {
    let actions = ["shown", "clicked", "dismissed", "converted"];
    let taken = json!({ "anyOf": [
        object("What became of a recommendation.", [
            ("recommendationId", filled("The recommendation.")),
            ("action", word(actions, "What became of it.")),
        ]),
        object("How much of a feature is used.", [
            ("organizationId", filled("The organization.")),
            ("app", filled("The app.")),
            ("feature", filled("The feature.")),
            ("used", count("How much.")),
        ]),
    ] });
    let told = json!({ "anyOf": [
        object("A recommendation's standing.", [
            ("recommendationId", text("The recommendation.")),
            ("status", word(STATUSES, "How it stands.")),
        ]),
        object("A feature's use.", [
            ("organizationId", text("The organization.")),
            ("app", text("The app.")),
            ("feature", text("The feature.")),
            ("used", integer("How much.")),
        ]),
    ] });
    let asked = json!({ "recommendationId": RECOMMENDATION, "action": "clicked" });
    change(
        Method::POST,
        "/api/ecosystem/upsell-track",
        "trackRecommendation",
        "Tell what became of a recommendation, or how much is used",
    )
    .takes(taken, asked)
    .answers(
        200,
        "What holds now.",
        told,
        json!({ "recommendationId": RECOMMENDATION, "status": "clicked" }),
    )
}

fn register() -> crate::http::contract::Operation {
    let wanted = partly(
        "Which tenant of which app.",
        [("app", slug("The app.")), ("organizationId", filled("The canonical organization."))],
        [("tenantId", or_null(text("The app's own name for it; left out, the same.")))],
    );
    let answer = json!({
        "organizationId": ORGANIZATION, "app": "colectiva", "tenantId": "t_9", "subscription": subscription(),
        "plans": ["free", "pro"],
    });
    change(
        Method::POST,
        "/api/ecosystem/register",
        "registerTenant",
        "Bind an app's tenant to an organization",
    )
    .takes(wanted, json!({ "app": "colectiva", "organizationId": ORGANIZATION, "tenantId": "t_9" }))
    .answers(200, "Bound.", named("Registration"), answer)
}

fn states() -> impl Iterator<Item = &'static str> {
    State::ALL.iter().map(|state| state.as_str())
}

fn cycle() -> Value {
    word(Cycle::ALL.iter().map(|cycle| cycle.as_str()), "How often it is billed.")
}

fn creation() -> Value {
    let names =
        [("organizationId", filled("Whose.")), ("app", text("The app.")), ("planId", text("The plan."))];
    partly(
        "A subscription to begin.",
        names,
        [
            ("trial", or_null(flag("Whether it begins with a trial."))),
            ("billingCycle", or_null(cycle())),
            ("amount", or_null(integer("What it costs, in cents."))),
            ("currency", or_null(text("Of what."))),
            ("until", or_null(text("When the trial or the period ends: a date or an instant."))),
        ],
    )
}

fn changes() -> Value {
    partly(
        "What to do.",
        [("action", word(ACTIONS, "What to do."))],
        [
            ("planId", or_null(text("The new plan, for `plan`."))),
            ("billingCycle", or_null(cycle())),
            ("amount", or_null(integer("What it costs, in cents."))),
            ("currency", or_null(text("Of what."))),
            ("until", or_null(text("When the period ends: a date or an instant."))),
            ("reason", or_null(text("Why; for `suspend`: payment_failed, compliance or manual."))),
            ("atPeriodEnd", or_null(flag("For `cancel`: only when the period ends. True unless said."))),
        ],
    )
}

fn subscription_shape() -> Value {
    object(
        "What an organization has of an app.",
        [
            ("subscriptionId", text("Its id.")),
            ("organizationId", organization()),
            ("app", or_null(text("The app; null if nobody knows which."))),
            ("planId", text("The plan.")),
            ("state", word(states(), "Where it stands.")),
            ("since", time("Since when it stands there.")),
            ("billingCycle", cycle()),
            ("trialEndsAt", or_null(time("When its trial ends."))),
            ("periodEndsAt", or_null(time("When what is paid for ends."))),
            ("endsAt", or_null(time("When it ends."))),
            ("reason", or_null(text("Why it stands there."))),
        ],
    )
}

fn shapes() -> Vec<(&'static str, Value)> {
    let said = object(
        "What was said of it.",
        [
            ("at", time("When.")),
            ("said", text("What.")),
            ("outcome", text("Whether it changed something.")),
            ("state", text("Where it stood then.")),
            ("why", text("Why.")),
            ("source", text("Who said it.")),
            ("eventId", text("With which event.")),
        ],
    );
    let next = object("What the clock will say.", [("at", time("When.")), ("what", text("What."))]);
    let mut with_past = subscription_shape();
    with_past["properties"]["history"] = list(said, "What was said of it, the last first.");
    with_past["properties"]["next"] = or_null(next);
    if let Some(required) = with_past["required"].as_array_mut() {
        required.extend(["history".into(), "next".into()]);
    }
    vec![
        ("Subscription", subscription_shape()),
        ("SubscriptionWithPast", with_past),
        ("FeatureAccess", access_shape()),
        ("Recommendation", recommendation_shape()),
        (
            "Registration",
            object(
                "What an app may count on.",
                [
                    ("organizationId", organization()),
                    ("app", text("The app.")),
                    ("tenantId", text("Its own name for the organization.")),
                    ("subscription", or_null(named("Subscription"))),
                    ("plans", list(text("A plan's id."), "What the app sells.")),
                ],
            ),
        ),
        ("Insights", insights_shape()),
    ]
}

fn access_shape() -> Value {
    let reasons = [
        "included",
        "free",
        "read_only",
        "unknown_app",
        "unknown_feature",
        "no_subscription",
        "tier_required",
        "limit_reached",
        "past_due",
        "suspended",
        "cancelled",
        "expired",
    ];
    object(
        "Whether a feature is open to an organization.",
        [
            ("app", text("The app.")),
            ("organizationId", organization()),
            ("feature", text("The feature.")),
            ("allowed", flag("Whether it is open.")),
            ("reason", word(reasons, "Why.")),
            ("state", or_null(word(states(), "Where the subscription stands."))),
            ("planId", or_null(text("The plan that counts."))),
            ("tier", or_null(text("Its tier."))),
            ("limit", or_null(count("How much of the feature there is; null for no limit."))),
            ("used", or_null(count("How much of it is used, as far as anybody reported."))),
            ("requiredPlan", or_null(text("The least plan that has it."))),
            ("requiredTier", or_null(text("That plan's tier."))),
            ("ttlSeconds", count("How long the answer may be kept.")),
        ],
    )
}

fn recommendation_shape() -> Value {
    object(
        "What to recommend to an organization.",
        [
            ("recommendationId", text("Its id.")),
            ("organizationId", text("To whom.")),
            ("app", text("The app.")),
            ("kind", text("The event's type.")),
            ("subject", text("Whom or what of the organization it is about.")),
            ("plan", or_null(text("The plan that they have."))),
            ("suggestedPlan", or_null(text("The plan to suggest."))),
            ("reason", or_null(text("Why, as the app says."))),
            ("percentUsed", or_null(integer("How much of the limit is used."))),
            ("status", word(STATUSES, "How it stands.")),
            ("times", integer("How often it was said.")),
            ("firstAt", time("Since when.")),
            ("lastAt", time("When last.")),
            ("eventId", text("The event that said it first.")),
            ("source", text("Who sent that.")),
        ],
    )
}

fn insights_shape() -> Value {
    let counted =
        || object("A name and its count.", [("name", text("The name.")), ("count", integer("So many."))]);
    object(
        "What is known of an organization's customers.",
        [
            ("organizationId", organization()),
            ("contacts", integer("Its contacts.")),
            ("events", integer("Lines of its timeline.")),
            ("eventTypes", list(counted(), "The ten most frequent types.")),
            ("deals", list(counted(), "By phase.")),
            ("receivables", list(counted(), "By status.")),
            ("subscriptions", list(named("Subscription"), "All of them.")),
            ("recommendations", integer("Those that are open.")),
        ],
    )
}

fn subscription() -> Value {
    json!({
        "subscriptionId": SUBSCRIPTION, "organizationId": ORGANIZATION, "app": "colectiva", "planId": "pro",
        "state": "trialing", "since": AT, "billingCycle": "monthly", "trialEndsAt": "2026-04-30T12:00:00Z",
        "periodEndsAt": null, "endsAt": null, "reason": null,
    })
}

fn with_past() -> Value {
    let mut shown = subscription();
    shown["history"] = json!([{
        "at": AT, "said": "trial_started", "outcome": "applied", "state": "trialing", "why": "", "source": "colectiva",
        "eventId": EVENT,
    }]);
    shown["next"] = json!({ "at": "2026-04-30T12:00:00Z", "what": "trial_end" });
    shown
}

fn insights() -> Value {
    json!({
        "organizationId": ORGANIZATION, "contacts": 318, "events": 4021,
        "eventTypes": [{ "name": "payment.completed", "count": 900 }], "deals": [{ "name": "won", "count": 12 }],
        "receivables": [{ "name": "paid", "count": 7 }], "subscriptions": [subscription()], "recommendations": 1,
    })
}

fn access() -> Answer {
    Answer {
        app: "colectiva".to_owned(),
        organization_id: ORGANIZATION.to_owned(),
        feature: "payouts.instant".to_owned(),
        allowed: false,
        reason: Reason::TierRequired,
        state: Some("active"),
        plan_id: Some("free".to_owned()),
        tier: Some("free".to_owned()),
        limit: None,
        used: None,
        required_plan: Some("pro".to_owned()),
        required_tier: Some("pro".to_owned()),
        ttl_seconds: 60,
    }
}

fn recommendation() -> Recommendation {
    Recommendation {
        recommendation_id: RECOMMENDATION.to_owned(),
        organization_id: ORGANIZATION.to_owned(),
        app: "colectiva".to_owned(),
        kind: "subscription.limit_approaching".to_owned(),
        subject: "payouts".to_owned(),
        plan: Some("free".to_owned()),
        suggested_plan: Some("pro".to_owned()),
        reason: None,
        percent_used: Some(91),
        status: "open".to_owned(),
        times: 2,
        first_at: Millis(1_776_340_800_000),
        last_at: Millis(1_776_427_200_000),
        event_id: EVENT.to_owned(),
        source: "colectiva".to_owned(),
    }
}
