//! The patterns of the lines, one for each event type that the hub consumes.
//!
//! The fields are those of the registry's schemas; where it has none, those that the app's documents name,
//! with alternatives. How a pattern reads is said in `lines.rs`.

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Unit {
    /// Hundredths of a currency unit.
    Cents,
    /// Pesos.
    Mxn,
    /// No document says.
    Unstated,
}

impl Unit {
    /// The word in answers.
    pub(in crate::hub) fn as_str(self) -> &'static str {
        match self {
            Self::Cents => "cents",
            Self::Mxn => "mxn",
            Self::Unstated => "unstated",
        }
    }
}

/// The lines of one type.
pub(super) struct Pattern {
    pub(super) event_type: &'static str,
    pub(super) es: &'static str,
    pub(super) en: &'static str,
    /// The fields that may hold its amount, and what that counts.
    pub(super) amount: Option<(&'static [&'static str], Unit)>,
}

macro_rules! lines {
    ($($event_type:literal $(($($amount:literal)/+ $unit:ident))?: $es:literal, $en:literal;)+) => {
        pub(super) const LINES: &[Pattern] = &[$(Pattern {
            event_type: $event_type,
            es: $es,
            en: $en,
            amount: lines!(@amount $(($($amount)/+ $unit))?),
        }),+];
    };
    (@amount) => { None };
    (@amount ($($amount:literal)/+ $unit:ident)) => { Some((&[$($amount),+], Unit::$unit)) };
}

lines! {
    "activity.logged" ("amountCents" Cents):
        "Actividad[ {activityType/type/action}][: {description/title/summary/notes}][, {durationMinutes/minutes} min][, {amountCents|cents}]",
        "Activity[ {activityType/type/action}][: {description/title/summary/notes}][, {durationMinutes/minutes} min][, {amountCents|cents}]";
    "appointment.completed" ("amountCents" Cents):
        "Cita {appointmentId} terminada[ con {providerId}][: {amountCents|cents}][, pago con {paymentMethod}]",
        "Appointment {appointmentId} completed[ with {providerId}][: {amountCents|cents}][, paid by {paymentMethod}]";
    "bank_package.generated":
        "Expediente bancario listo[ para el proyecto {dealName/dealId}][, banco {bankName/bank}][, paquete {packageId}]",
        "Bank package ready[ for deal {dealName/dealId}][, bank {bankName/bank}][, package {packageId}]";
    "booking.completed" ("amountMxn" Mxn):
        "Estancia {bookingId} terminada[ en {propertyId}][: {amountMxn|mxn}][, de ellos {ownerPayoutMxn|mxn} para el dueño]",
        "Stay {bookingId} completed[ at {propertyId}][: {amountMxn|mxn}][, of which {ownerPayoutMxn|mxn} to the owner]";
    "brain.signal":
        "Señal {signal.type} ({signal.severity}): {signal.title_es}[, {signal.metric_value}][ {signal.metric_label_es}]",
        "Signal {signal.type} ({signal.severity}): {signal.title_en/signal.title_es}[, {signal.metric_value}]";
    "capital_call.bulk_created":
        "Llamada de capital emitida[ en {fundName/dealName/fundId/dealId}][ a {investorCount/count} inversionistas][, total {totalAmount/amount|unstated}]",
        "Capital call issued[ in {fundName/dealName/fundId/dealId}][ to {investorCount/count} investors][, total {totalAmount/amount|unstated}]";
    "caracol.invoice.stamped" ("total" Unstated):
        "Factura {serie}-{folio} timbrada[ por {total|unstated}][, RFC {rfc}]",
        "Invoice {serie}-{folio} stamped[ for {total|unstated}][, RFC {rfc}]";
    "caracol.order.created" ("total" Unstated):
        "Pedido {orderId} creado[ en {branchId}][: {total|unstated}][, {status}]",
        "Order {orderId} created[ at {branchId}][: {total|unstated}][, {status}]";
    "caracol.order.status_changed":
        "Pedido {orderId}: de {previousStatus} a {newStatus}",
        "Order {orderId}: from {previousStatus} to {newStatus}";
    "caracol.shipment.created" ("costCents" Cents):
        "Envío {trackingNumber} con {carrier}[, costo {costCents|cents}]",
        "Shipment {trackingNumber} by {carrier}[, cost {costCents|cents}]";
    "cfdi_global.stamped" ("total" Mxn):
        "Factura global {period.periodString} timbrada: {total|mxn}[, {salesIds} ventas]",
        "Global invoice {period.periodString} stamped: {total|mxn}[, {salesIds} sales]";
    "cfdi.stamped" ("total" Unstated):
        "CFDI {serie}-{folio} timbrado por {total|unstated}, folio fiscal {uuid}",
        "CFDI {serie}-{folio} stamped for {total|unstated}, fiscal folio {uuid}";
    "cofepris.expiring":
        "Permiso COFEPRIS[ {permitNumber/permitId}] por vencer[: {productName/product/permitType}][, vence {expiresAt/expirationDate/expiryDate}][, quedan {daysRemaining/daysLeft} días]",
        "COFEPRIS permit[ {permitNumber/permitId}] expiring[: {productName/product/permitType}][, expires {expiresAt/expirationDate/expiryDate}][, {daysRemaining/daysLeft} days left]";
    "cpi.investor_update_posted":
        "Novedad de {workspaceName}: {updateTitle}[, por {authorName}]",
        "Update from {workspaceName}: {updateTitle}[, by {authorName}]";
    "cpi.purchased" ("amountMxn" Mxn):
        "Compra de {quantity} CPI por {amountMxn|mxn}[, certificado {certificateNumber}]",
        "Bought {quantity} CPIs for {amountMxn|mxn}[, certificate {certificateNumber}]";
    "cpi.transfer_completed" ("priceMxn" Mxn):
        "Transferencia de {quantityCpis} CPI por {priceMxn|mxn}[ en {workspaceName}]",
        "Transfer of {quantityCpis} CPIs for {priceMxn|mxn}[ in {workspaceName}]";
    "customer.created":
        "Cliente nuevo[: {name/customerName}][, {email/customerEmail}][, {phone}]",
        "New customer[: {name/customerName}][, {email/customerEmail}][, {phone}]";
    "customer.identified":
        "Cliente identificado[: {name}][, {email}][, {phone}][ en {restaurantId}]",
        "Customer identified[: {name}][, {email}][, {phone}][ at {restaurantId}]";
    "customer.updated":
        "Datos del cliente cambiados[: {name}][, {email}]",
        "Customer details changed[: {name}][, {email}]";
    "deadline.changed":
        "Plazo cambiado[: {title/description}][, ahora {newDate/dueDate/newDueDate/date}][, asunto {matterNumber/matterId}]",
        "Deadline changed[: {title/description}][, now {newDate/dueDate/newDueDate/date}][, matter {matterNumber/matterId}]";
    "deadline.created":
        "Plazo nuevo[: {title/description}][, vence {dueDate/date}][, asunto {matterNumber/matterId}]",
        "New deadline[: {title/description}][, due {dueDate/date}][, matter {matterNumber/matterId}]";
    "deal.created" ("amount"/"value"/"purchasePrice" Unstated):
        "Proyecto nuevo[: {dealName/name/title}][, {status/stage}][, {amount/value/purchasePrice|unstated}]",
        "New deal[: {dealName/name/title}][, {status/stage}][, {amount/value/purchasePrice|unstated}]";
    "deal.intelligence_generated":
        "Análisis del proyecto[ {dealName/dealId}][: estrategia {recommendedStrategy/strategy}][, clase {assetClass}]",
        "Analysis of deal[ {dealName/dealId}][: strategy {recommendedStrategy/strategy}][, asset class {assetClass}]";
    "deal.status_changed":
        "Proyecto[ {dealName/name/dealId}][: de {previousStatus/oldStatus}][ a {newStatus/status}]",
        "Deal[ {dealName/name/dealId}][: from {previousStatus/oldStatus}][ to {newStatus/status}]";
    "delivery.confirmed":
        "Entrega confirmada[ {tracking_token/trackingToken/delivery_order_id/deliveryId}][, recibió {recipient_name/recipientName}]",
        "Delivery confirmed[ {tracking_token/trackingToken/delivery_order_id/deliveryId}][, received by {recipient_name/recipientName}]";
    "demurrage.accumulating" ("amount"/"accumulatedAmount"/"totalCost" Unstated):
        "Demoras corriendo[ en {containerNumber/container/shipmentId}][: {days/daysOverdue} días][, {amount/accumulatedAmount/totalCost|unstated}]",
        "Demurrage accumulating[ on {containerNumber/container/shipmentId}][: {days/daysOverdue} days][, {amount/accumulatedAmount/totalCost|unstated}]";
    "deposit.completed" ("deposit_metadata.amount_mxn" Mxn):
        "Depósito de {deposit_metadata.amount_mxn|mxn} en {deposit_metadata.bank}[, referencia {deposit_metadata.reference}]",
        "Deposit of {deposit_metadata.amount_mxn|mxn} at {deposit_metadata.bank}[, reference {deposit_metadata.reference}]";
    "distribution.completed" ("netAmount" Unstated):
        "Distribución {period}: neto {netAmount|unstated} de {grossAmount|unstated}[, ISR {isrRetained|unstated}]",
        "Distribution {period}: net {netAmount|unstated} of {grossAmount|unstated}[, tax withheld {isrRetained|unstated}]";
    "fiscal.anomaly_detected":
        "Anomalía fiscal[ {anomalyType/type}][ ({severity})][: {title/description/message}]",
        "Fiscal anomaly[ {anomalyType/type}][ ({severity})][: {title/description/message}]";
    "fiscal.compliance_risk":
        "Riesgo fiscal {riskType} ({severity}): {title}[, vence {dueDate}]",
        "Tax risk {riskType} ({severity}): {title}[, due {dueDate}]";
    "fiscal.health_score_updated":
        "Salud fiscal[: {score/healthScore/newScore}][, antes {previousScore/oldScore}][, nivel {level/grade}]",
        "Fiscal health[: {score/healthScore/newScore}][, before {previousScore/oldScore}][, level {level/grade}]";
    "garita.property.type_changed":
        "Inmueble[ {propertyName/propertyId}] ahora es[ {newType/type/propertyType}][, antes {previousType/oldType}]",
        "Property[ {propertyName/propertyId}] is now[ {newType/type/propertyType}][, before {previousType/oldType}]";
    "handoff.completed":
        "Entrega en mano[ {handoff_category/category}][ {tracking_token/delivery_order_id}][, recibió {recipient_name/recipientName}]",
        "Handoff[ {handoff_category/category}][ {tracking_token/delivery_order_id}][, received by {recipient_name/recipientName}]";
    "inventory.low":
        "Inventario bajo[: {productName/productId}][, quedan {currentStock}][, mínimo {minStock/threshold}]",
        "Low stock[: {productName/productId}][, {currentStock} left][, minimum {minStock/threshold}]";
    "investor.created":
        "Inversionista nuevo[: {name/investorName}][, {email/investorEmail}][, {type/investorType}]",
        "New investor[: {name/investorName}][, {email/investorEmail}][, {type/investorType}]";
    "investor.nda_signed":
        "Acuerdo de confidencialidad firmado[ por {investorName/name/investorEmail/email}][, oferta {offeringName/offeringId}]",
        "NDA signed[ by {investorName/name/investorEmail/email}][, offering {offeringName/offeringId}]";
    "investor.updated":
        "Inversionista actualizado[: {name/investorName}][, {email/investorEmail}]",
        "Investor updated[: {name/investorName}][, {email/investorEmail}]";
    "invoice.failed":
        "Cobro fallido de la factura {invoiceId}[: {reason}]",
        "Payment of invoice {invoiceId} failed[: {reason}]";
    "invoice.paid" ("amount" Cents):
        "Factura {invoiceId} pagada: {amount|cents}",
        "Invoice {invoiceId} paid: {amount|cents}";
    "labor_costs.updated" ("totalCost"/"total"/"amount" Unstated):
        "Costos laborales[ de {period/month}][: {totalCost/total/amount|unstated}][, {employeeCount/employees} empleados]",
        "Labour costs[ of {period/month}][: {totalCost/total/amount|unstated}][, {employeeCount/employees} employees]";
    "matter.assigned":
        "Asunto {matterNumber/matterId} asignado a {assignedToName/assignedTo}[, {role}]",
        "Matter {matterNumber/matterId} assigned to {assignedToName/assignedTo}[, {role}]";
    "matter.status_changed":
        "Asunto {matterNumber/matterId}: de {previousStatus} a {newStatus}[ ({notes})]",
        "Matter {matterNumber/matterId}: from {previousStatus} to {newStatus}[ ({notes})]";
    "note.created":
        "Nota[ en el asunto {matterNumber/matterId}][: {text/note/content/body/summary}][, de {authorName/author}]",
        "Note[ on matter {matterNumber/matterId}][: {text/note/content/body/summary}][, by {authorName/author}]";
    "owner.registered":
        "Dueño registrado[: {name/ownerName}][, {email}][, {phone}]",
        "Owner registered[: {name/ownerName}][, {email}][, {phone}]";
    "product.created" ("priceCents" Cents):
        "Producto nuevo[: {name}][, {priceCents|cents}][, SKU {sku}]",
        "New product[: {name}][, {priceCents|cents}][, SKU {sku}]";
    "product.deleted":
        "Producto retirado[: {name}][ {productId}][, tienda {storeId}]",
        "Product removed[: {name}][ {productId}][, store {storeId}]";
    "product.updated" ("priceCents" Cents):
        "Producto actualizado[: {name}][ {productId}][, {priceCents|cents}]",
        "Product updated[: {name}][ {productId}][, {priceCents|cents}]";
    "referral.created":
        "Negocio {businessId} recomendado a {productAppId}[, {businessCountry}]",
        "Business {businessId} referred to {productAppId}[, {businessCountry}]";
    "site_optimizer.scenario_selected":
        "Escenario elegido[: {scenarioName/scenario/scenarioId}][, proyecto {dealName/dealId}][, predio {siteId}]",
        "Scenario selected[: {scenarioName/scenario/scenarioId}][, deal {dealName/dealId}][, site {siteId}]";
    "subscription.activated" ("amount" Cents):
        "Suscripción {planName/planId} activa: {amount|cents} ({billingCycle})[, siguiente cobro {nextBillingDate}]",
        "Subscription {planName/planId} active: {amount|cents} ({billingCycle})[, next bill {nextBillingDate}]";
    "subscription.cancelled":
        "Suscripción {planId} cancelada: {reason}[, desde {effectiveDate}]",
        "Subscription {planId} cancelled: {reason}[, from {effectiveDate}]";
    "subscription.payment_failed":
        "Pago fallido de la suscripción {planId}[: {reason}][, intento {attempt}]",
        "Payment of subscription {planId} failed[: {reason}][, attempt {attempt}]";
    "subscription.pending_cancellation":
        "Suscripción {planId} se cancelará el {cancellationDate}[: {reason}]",
        "Subscription {planId} will be cancelled on {cancellationDate}[: {reason}]";
    "subscription.renewed" ("amount" Cents):
        "Suscripción {planId} renovada: {amount|cents} ({billingCycle})[, siguiente cobro {nextBillingDate}]",
        "Subscription {planId} renewed: {amount|cents} ({billingCycle})[, next bill {nextBillingDate}]";
    "support.ticket_created":
        "Ticket {source_ticket_id} abierto: {subject}[ ({priority})][, {category}]",
        "Ticket {source_ticket_id} opened: {subject}[ ({priority})][, {category}]";
    "task.completed" ("amountCents" Cents):
        "Tarea[ {title/taskTitle/taskId}] terminada[: {amountCents|cents}][, por {workerName/taskerName/workerId/taskerId}]",
        "Task[ {title/taskTitle/taskId}] completed[: {amountCents|cents}][, by {workerName/taskerName/workerId/taskerId}]";
    "tenant.provisioned":
        "Inquilino {appOrgId} de {app} dado de alta",
        "Tenant {appOrgId} of {app} provisioned";
    "upsell.appointment_capacity":
        "{currentCount} de {limit} citas del plan {plan}: conviene {suggestedPlan}",
        "{currentCount} of {limit} appointments of plan {plan}: suggest {suggestedPlan}";
    "upsell.constanza_onboarding":
        "Sin certificado CSD ({period}): {recommendation}",
        "No CSD certificate ({period}): {recommendation}";
    "upsell.declaration_service":
        "{overdueCount} declaraciones atrasadas, la más vieja {oldestOverdueDays} días: {recommendation}",
        "{overdueCount} overdue returns, the oldest {oldestOverdueDays} days: {recommendation}";
    "upsell.stamp_upgrade":
        "Timbres[: {usedStamps/stampsUsed/currentUsage/used}][ de {planLimit/stampLimit/limit}][, {utilizationPercent/percentUsed}%][: {recommendation/suggestedPlan}]",
        "Stamps[: {usedStamps/stampsUsed/currentUsage/used}][ of {planLimit/stampLimit/limit}][, {utilizationPercent/percentUsed}%][: {recommendation/suggestedPlan}]";
    "upsell.task_volume":
        "{completedTasks} tareas hechas y {activeTasks} abiertas con el plan {plan}: conviene {suggestedPlan}",
        "{completedTasks} tasks done and {activeTasks} open on plan {plan}: suggest {suggestedPlan}";
    "walk.completed":
        "Paseo terminado[ de {petName/dogName/petId}][, {durationMinutes/duration} min][, con {walkerName/walkerId}]",
        "Walk completed[ of {petName/dogName/petId}][, {durationMinutes/duration} min][, with {walkerName/walkerId}]";
    "wallet.deposit_completed" ("amount" Unstated):
        "Depósito {depositId} en la cartera: {amount|unstated}[, {paymentMethod}]",
        "Wallet deposit {depositId}: {amount|unstated}[, {paymentMethod}]";
    "wallet.withdrawal_completed" ("amount" Unstated):
        "Retiro {withdrawalId} de la cartera: {amount|unstated}[, CLABE …{clabeMasked}]",
        "Wallet withdrawal {withdrawalId}: {amount|unstated}[, CLABE …{clabeMasked}]";
    "workflow.action":
        "Acción {action} para {targetApp}[, flujo {workflowInstanceId}]",
        "Action {action} for {targetApp}[, workflow {workflowInstanceId}]";
}
