//! Who an event is about: the people in its data, by the field names that the apps really use.
//!
//! Pure. An employee, a lawyer or the acting user is not the customer: only what names one is read.

use serde_json::Value;

use super::fold;
use crate::hub::Event;
use crate::hub::event::text;

/// One person in an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Party {
    /// The app's own id for it, with the app.
    pub(super) external: Option<String>,
    pub(super) email: Option<String>,
    pub(super) rfc: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) name: Option<String>,
    /// What it becomes by this event.
    pub(super) tags: Vec<String>,
    /// Whether the event is the person's own record, so that what it says replaces what was known.
    pub(super) is_record: bool,
}

impl Party {
    /// Its keys, the surest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let keys = [
            ("external", &self.external),
            ("email", &self.email),
            ("rfc", &self.rfc),
            ("phone", &self.phone),
        ];
        keys.into_iter().filter_map(|(kind, value)| Some((kind, value.as_deref()?)))
    }
}

/// The field names of one role.
struct Names {
    id: &'static [&'static str],
    email: &'static [&'static str],
    rfc: &'static [&'static str],
    phone: &'static [&'static str],
    name: &'static [&'static str],
}

const CUSTOMER: Names = Names {
    id: &["customerId", "customer_id", "clientId", "client_id", "ownerId", "owner_id", "contactId"],
    email: &["email", "customerEmail", "customer_email", "clientEmail", "client_email", "user_email"],
    rfc: &["rfc", "customerRfc", "rfcReceptor", "receiverRfc"],
    phone: &["phone", "customerPhone", "customer_phone", "clientPhone", "user_phone"],
    name: &["name", "customerName", "customer_name", "clientName", "client_name", "ownerName"],
};
const GUEST: Names = Names {
    id: &["guestId", "clientId"],
    email: &["guestEmail", "email"],
    rfc: &[],
    phone: &["guestPhone", "phone"],
    name: &["guestName"],
};
const INVESTOR: Names = Names {
    id: &["investorId", "investor_id", "investorUid", "id"],
    email: &["investorEmail", "email"],
    rfc: &["rfc"],
    phone: &["phone", "investorPhone"],
    name: &["investorName", "name"],
};
const USER: Names = Names {
    id: &["userId", "user_id"],
    email: &["userEmail", "user_email"],
    rfc: &[],
    phone: &["userPhone", "user_phone"],
    name: &["userName", "user_name"],
};
const BUYER: Names =
    Names { id: &["buyerUid"], email: &["buyerEmail"], rfc: &[], phone: &[], name: &["buyerName"] };
const SELLER: Names =
    Names { id: &["sellerUid"], email: &["sellerEmail"], rfc: &[], phone: &[], name: &["sellerName"] };

/// The people in `event`.
pub(super) fn of(event: &Event<'_>) -> Vec<Party> {
    let one = |names: &Names, tags: &[&str], is_record| {
        let party = read(event, &event.data, names, tags, is_record);
        party.into_iter().collect::<Vec<_>>()
    };
    match event.event_type.as_str() {
        "customer.created" | "customer.updated" | "customer.identified" => {
            let mut parties = one(&CUSTOMER, &["customer"], true);
            for party in &mut parties {
                party.tags.extend(told_tags(event));
            }
            parties
        }
        "owner.registered" => one(&CUSTOMER, &["owner"], true),
        "investor.created" | "investor.updated" => one(&INVESTOR, &["investor"], true),
        "investor.nda_signed" => one(&INVESTOR, &["investor", "nda_signed"], false),
        "cpi.purchased" => one(&INVESTOR, &["cpi_holder", "investor"], false),
        "distribution.completed" => one(&INVESTOR, &["investor"], false),
        "cpi.transfer_completed" => {
            let mut parties = one(&BUYER, &["cpi_holder", "investor"], false);
            parties.extend(one(&SELLER, &["cpi_seller", "investor"], false));
            parties
        }
        "cpi.investor_update_posted" => {
            let investors = event.field("investors").and_then(Value::as_array);
            let read = |investor| read(event, investor, &INVESTOR, &["investor"], false);
            investors.into_iter().flatten().filter_map(read).collect()
        }
        "wallet.deposit_completed" | "wallet.withdrawal_completed" | "support.ticket_created" => {
            one(&USER, &[], false)
        }
        "booking.completed" => one(&GUEST, &[], false),
        "matter.assigned" | "brain.signal" | "workflow.action" | "referral.created" => Vec::new(),
        other => {
            let is_nobodys =
                ["product.", "inventory.", "fiscal.", "upsell.", "labor_costs.", "garita.", "cfdi_global."];
            if is_nobodys.iter().any(|prefix| other.starts_with(prefix)) {
                return Vec::new();
            }
            one(&CUSTOMER, &[], false)
        }
    }
}

/// A person, if anything tells it from others.
fn read(event: &Event<'_>, data: &Value, names: &Names, tags: &[&str], is_record: bool) -> Option<Party> {
    let first = |names: &[&str], fold: fn(&str) -> Option<String>| {
        names.iter().find_map(|name| fold(&text(data.get(name)?)?))
    };
    let as_is = |text: &str| Some(text.to_owned());
    let party = Party {
        external: first(names.id, as_is).map(|id| format!("{}:{id}", event.source)),
        email: first(names.email, fold::email),
        rfc: first(names.rfc, fold::rfc),
        phone: first(names.phone, fold::phone),
        name: first(names.name, as_is),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        is_record,
    };
    let is_anybody = party.keys().next().is_some();
    is_anybody.then_some(party)
}

/// The tags that a record brings itself.
fn told_tags(event: &Event<'_>) -> impl Iterator<Item = String> {
    let tags = event.field("tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| Some(tag.as_str()?.trim().to_lowercase())).filter(|tag| !tag.is_empty()).take(16)
}
