//! The registry that is built into the binary, so that it runs from any folder.
//!
//! The list below names every file; a test holds it against the folder. Nothing is read at run time.

use super::{Error, Source, load};
use crate::domain::catalog::Catalog;

macro_rules! files {
    ($($name:literal,)*) => {
        &[$(($name, include_str!(concat!("../../registry/", $name)))),*]
    };
}

/// Every file of the registry with its text, by name.
const FILES: &[(&str, &str)] = files![
    "apps.json",
    "events.json",
    "schemas/ai_cost.recorded.json",
    "schemas/appointment.completed.json",
    "schemas/booking.completed.json",
    "schemas/booking.created.json",
    "schemas/booking.reserved.json",
    "schemas/brain.signal.json",
    "schemas/caja.closed.json",
    "schemas/camino.dead_letters.grown.json",
    "schemas/camino.drift.found.json",
    "schemas/camino.endpoint.disabled.json",
    "schemas/capital_call.payment_received.json",
    "schemas/caracol.invoice.stamped.json",
    "schemas/caracol.order.created.json",
    "schemas/caracol.order.status_changed.json",
    "schemas/caracol.shipment.created.json",
    "schemas/catalog.sync.failed.json",
    "schemas/cfdi.distribution_requested.json",
    "schemas/cfdi.failed.json",
    "schemas/cfdi.stamped.json",
    "schemas/cfdi_global.stamped.json",
    "schemas/cobranza.reminder.json",
    "schemas/contract.created.json",
    "schemas/contract.draft_requested.json",
    "schemas/contract.executed.json",
    "schemas/contract.expired.json",
    "schemas/cpi.investor_update_posted.json",
    "schemas/cpi.purchased.json",
    "schemas/cpi.transfer_completed.json",
    "schemas/customer.identified.json",
    "schemas/customer.merged.json",
    "schemas/customer.updated.json",
    "schemas/deal.commission_ready.json",
    "schemas/decision.expense.approve.json",
    "schemas/decision.termination.approve.json",
    "schemas/deposit.completed.json",
    "schemas/distribution.completed.json",
    "schemas/employee.missing_data.json",
    "schemas/escrow.released.json",
    "schemas/fiscal.compliance_risk.json",
    "schemas/fiscal.resico_warning.json",
    "schemas/garita.access.granted.json",
    "schemas/garita.cfdi.stamp.requested.json",
    "schemas/garita.credential.revoked.json",
    "schemas/garita.resident.onboarded.json",
    "schemas/garita.stay.checked_in.json",
    "schemas/garita.visitor.checked_in.json",
    "schemas/inventory.cogs.json",
    "schemas/inventory.low.json",
    "schemas/inventory.received.json",
    "schemas/invoice.compliance_issue.json",
    "schemas/invoice.failed.json",
    "schemas/invoice.issued.json",
    "schemas/invoice.paid.json",
    "schemas/invoice.queued.json",
    "schemas/matter.assigned.json",
    "schemas/matter.status_changed.json",
    "schemas/order.completed.json",
    "schemas/order.refunded.json",
    "schemas/payment.cancelled.json",
    "schemas/payment.chargeback_resolved.json",
    "schemas/payment.completed.json",
    "schemas/payment.expired.json",
    "schemas/payment.held.json",
    "schemas/payment.received.json",
    "schemas/payment.reconciled.json",
    "schemas/payment.refunded.json",
    "schemas/payment.released.json",
    "schemas/product.created.json",
    "schemas/project.completed.json",
    "schemas/referral.created.json",
    "schemas/refund.processed.json",
    "schemas/sale.completed.json",
    "schemas/schedule.created.json",
    "schemas/shipment.status_changed.json",
    "schemas/spv.creation_requested.json",
    "schemas/subscription.activated.json",
    "schemas/subscription.cancelled.json",
    "schemas/subscription.changed.json",
    "schemas/subscription.expired.json",
    "schemas/subscription.limit_approaching.json",
    "schemas/subscription.past_due.json",
    "schemas/subscription.payment_failed.json",
    "schemas/subscription.pending_cancellation.json",
    "schemas/subscription.renewed.json",
    "schemas/subscription.suspended.json",
    "schemas/subscription.trial_expiring.json",
    "schemas/subscription.trial_started.json",
    "schemas/support.ticket_created.json",
    "schemas/tenant.provisioned.json",
    "schemas/timesheet.approved.json",
    "schemas/upsell.appointment_capacity.json",
    "schemas/upsell.constanza_onboarding.json",
    "schemas/upsell.declaration_service.json",
    "schemas/upsell.task_volume.json",
    "schemas/wallet.deposit_completed.json",
    "schemas/wallet.withdrawal_completed.json",
    "schemas/workflow.action.json",
];

/// The embedded catalog, read and compiled anew. Its data is tested, so an error here is a bug.
pub fn catalog() -> Result<Catalog, Error> {
    load::load(&Source::Embedded)
}

/// Every embedded file: its path relative to the registry's folder, and its text.
pub fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().copied()
}

/// The text of one embedded file.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let index = FILES.binary_search_by_key(&name, |(known, _)| known).ok()?;
    FILES.get(index).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("registry");
        let mut names: Vec<String> = vec!["apps.json".into(), "events.json".into()];
        for entry in std::fs::read_dir(root.join("schemas")).unwrap() {
            names.push(format!("schemas/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
        names.sort();
        let embedded: Vec<&str> = files().map(|(name, _)| name).collect();
        assert_eq!(embedded, names, "embedded.rs must list the files of registry/, sorted");
    }
}
