// Enough of everything that no page is empty: people, plans, tickets, failures, a replay, a stranger's event.

const FIRMS = ["org_finca_el_roble", "org_vinos_del_valle", "org_clinica_luna"];
const PEOPLE = ["Ana Sofía Luna", "Rodrigo Peña", "María José Hernández-Villaseñor", "Li Wei", "Iñaki Ochoa"];
const TICKETS = [
  ["No puedo timbrar la factura 70233", "Marca un error del PAC desde ayer por la tarde y el cliente la necesita hoy."],
  ["The register does not close", "It asks for a total that I do not have. We open again at eight in the morning."],
  ["¿Cómo agrego a otra persona al equipo?", "Quiero que mi contadora pueda ver los reportes."],
  ["Me cobraron dos veces", "El cargo del plan Pro aparece dos veces en mi tarjeta este mes."],
];
const DAY_MS = 86_400_000;
const emailOf = (name) => `${name.split(" ")[0].normalize("NFD").replace(/[^a-zA-Z]/g, "").toLowerCase()}@example.com`;
const inDays = (days) => new Date(Date.now() + days * DAY_MS).toISOString();

async function people(broker) {
  for (const [at, name] of PEOPLE.entries()) {
    const firm = FIRMS[at % FIRMS.length];
    const email = emailOf(name);
    const customerId = `cus_${5120 + at}`;
    await broker.send("caracol", "customer.created", { customerId, name, email, phone: `+52555000000${at}` }, firm);
    await broker.send("mancha", "customer.identified", { customerId: `cus_mn_${at}`, name, email }, firm);
    const order = { orderId: `ord_${33017 + at}`, tenantId: "vinos", customerId, total: 2380 + at, currency: "MXN" };
    await broker.send("caracol", "caracol.order.created", order, firm);
  }
}

async function plans(broker) {
  const plan = { planId: "pro", planName: "Pro", billingCycle: "monthly", amount: 49900, currency: "MXN" };
  for (const [at, firm] of FIRMS.entries()) {
    const data = { ...plan, app: "cosmos-pet", nextBillingDate: inDays(20 + at).slice(0, 10) };
    await broker.send("colectiva", "subscription.activated", data, firm);
  }
  const failed = { planId: "pro", app: "cosmos-pet", reason: "insufficient_funds", attempt: 2, nextRetry: inDays(3) };
  await broker.send("colectiva", "subscription.payment_failed", failed, FIRMS[1]);
}

async function tickets(broker) {
  for (const [at, [subject, description]] of TICKETS.entries()) {
    const data = {
      source_ticket_id: `tkt_2026_0041${at}`, subject, description,
      user_name: PEOPLE[at], user_email: emailOf(PEOPLE[at]), subscription_plan: "plan_pro",
    };
    await broker.send("caracol", "support.ticket_created", data, FIRMS[at % FIRMS.length]);
  }
}

/** Payments, which constanza refuses and baul is too busy for; then two that nobody can route. */
async function payments(broker) {
  for (let at = 0; at < 7; at += 1) {
    const data = { paymentId: `pay_${55120 + at}`, chargeId: `chg_${at}`, amount: 65_000 + at, currency: "MXN" };
    await broker.send("colectiva", "payment.completed", data, FIRMS[at % FIRMS.length]);
  }
  // An amount that is a text: drift.
  await broker.send("colectiva", "payment.completed", { paymentId: "pay_1", amount: "a lot", currency: "MXN" });
  await broker.send("caracol", "payment.compleeted", { paymentId: "pay_2", amount: 10 });
  await broker.send("rito", "a.type.that.nobody.has.ever.heard.of.and.that.is.rather.long", { why: "not?" });
}

/** Fills `broker`; waits until all of it can be read. */
export async function seed(broker) {
  await people(broker);
  await plans(broker);
  await tickets(broker);
  await payments(broker);
  await broker.items("/v1/dead-letters?receiver=constanza", 16);
  await broker.items("/v1/quarantine", 2);
  await broker.items("/v1/deliveries?receiver=mancha&state=delivered", 8);
  await broker.items("/api/crm/contacts", PEOPLE.length);
  await broker.items("/api/subscriptions", FIRMS.length);
  await broker.items("/api/support/tickets", TICKETS.length);
  await broker.ask("POST", "/v1/replays", { receiver: "mancha", state: "delivered" });
  await broker.ask("POST", "/v1/keys", { name: "night shift", scopes: ["read", "operate"] });
  await broker.ask("POST", "/v1/keys", { name: "plenura posts", scopes: ["events:write"], source: "plenura" });
}
