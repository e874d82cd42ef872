// How long the server takes for each page over a journal of so many events, on the built binary.
//
// node million.mjs BINARY [EVENTS] [ROUNDS]: by default 1,000,000 events, each page 40 times. Prints a line for each
// page: median, 95th and worst, in ms; then whether the live tail keeps up with 500 events/s, and what a listener
// costs ingest. Judges nothing: what a machine can do is for people to read.

import { createHmac, randomUUID } from "node:crypto";
import { request } from "node:http";

import { Broker, secretOf, until } from "./broker.mjs";
import { seed } from "./seed.mjs";

const [binary, events = "1000000", rounds = "40"] = process.argv.slice(2);
const BATCH = 500;
/** Batches under way at once. */
const LANES = 4;
/** Of each hundred events: two go to all receivers (one refuses, one is too busy), ten to two that take them well. */
const typeOf = (n) => (n % 100 < 2 ? "payment.completed" : n % 100 < 12 ? "payment.expired" : "payment.released");

function batch(number) {
  const items = Array.from({ length: BATCH }, (_, at) => {
    const n = number * BATCH + at;
    return {
      eventId: randomUUID(),
      eventType: typeOf(n),
      timestamp: new Date().toISOString(),
      source: "colectiva",
      organizationId: `org_${n % 500}`,
      data: { paymentId: `pay_${n}`, chargeId: `chg_${n}`, amount: n, currency: "MXN", note: "x".repeat(200) },
    };
  });
  return JSON.stringify({ events: items });
}

async function post(broker, number) {
  const body = batch(number);
  const answer = await fetch(`${broker.url}/v1/events/batch`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-webhook-signature": `sha256=${createHmac("sha256", secretOf("colectiva")).update(body).digest("hex")}`,
      "x-webhook-timestamp": String(Math.floor(Date.now() / 1000)),
    },
    body,
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`batch ${number}: ${answer.status} ${text}`);
}

async function fill(broker, count) {
  const batches = Math.ceil(count / BATCH);
  let next = 0;
  const lane = async () => {
    while (next < batches) await post(broker, next++);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** One request over a connection of its own pool; how long the whole answer took, in ms. */
function timed(url, headers) {
  return new Promise((done, failed) => {
    const began = process.hrtime.bigint();
    const asked = request(url, { headers }, (answer) => {
      answer.resume();
      answer.on("end", () => done({ status: answer.statusCode, ms: Number(process.hrtime.bigint() - began) / 1e6 }));
    });
    asked.on("error", failed).end();
  });
}

async function signedIn(broker) {
  const form = await fetch(broker.url);
  const token = /name="token" value="([^"]+)"/.exec(await form.text())[1];
  const cookies = (answer) => answer.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ");
  const answer = await fetch(`${broker.url}/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { cookie: cookies(form), "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ token, key: broker.key }).toString(),
  });
  return { cookie: cookies(answer) };
}

async function paths(broker) {
  const one = async (path) => (await broker.ask("GET", path)).items[0];
  const event = await one("/v1/events?receiver=constanza&state=dead");
  const contact = await one("/api/crm/contacts");
  const ticket = await one("/api/support/tickets");
  const subscription = await one("/api/subscriptions");
  const old = (await broker.ask("GET", "/v1/events?limit=500")).next;
  return [
    "/", "/events", `/events?cursor=${encodeURIComponent(old)}`, "/events?eventType=payment.completed", "/events?source=rito",
    "/events?organization=org_7", "/events?receiver=constanza&state=dead", "/events?receiver=baul&state=pending",
    "/events?state=delivered", "/events?q=there-is-no-such-id", `/events?since=${new Date(Date.now() - 60_000).toISOString()}`,
    `/events/${event.source}/${event.eventId}`, "/endpoints", "/endpoints/constanza", "/dead-letters",
    "/dead-letters?receiver=constanza&reason=rejected", "/dead-letters?q=nothing", "/quarantine", "/registry",
    "/registry/payment.completed", "/replays", "/contacts", `/contacts/${contact.contactId}`, "/subscriptions",
    `/subscriptions/${subscription.subscriptionId}`, "/tickets", `/tickets/${ticket.ticketId}`, "/keys", "/audit",
  ];
}

async function measure(broker) {
  const headers = await signedIn(broker);
  let worst = 0;
  for (const path of await paths(broker)) {
    const took = [];
    for (let round = 0; round < Number(rounds); round += 1) {
      const { status, ms } = await timed(broker.url + path, headers);
      if (status !== 200) throw new Error(`${path}: ${status}`);
      took.push(ms);
    }
    took.sort((a, b) => a - b);
    const [p50, p95, max] = [0.5, 0.95, 1].map((share) => took[Math.ceil(share * took.length) - 1]);
    worst = Math.max(worst, p95);
    console.log(`${p50.toFixed(1).padStart(8)} ${p95.toFixed(1).padStart(8)} ${max.toFixed(1).padStart(8)}  ${path}`);
  }
  console.log(`slowest p95: ${worst.toFixed(1)} ms`);
}

/** Listens to the live tail until told to stop; what came. */
function listen(broker) {
  const heard = { events: 0, gaps: 0 };
  const stop = new AbortController();
  heard.stop = () => stop.abort();
  heard.ended = (async () => {
    const headers = { authorization: `Bearer ${broker.key}` };
    const answer = await fetch(`${broker.url}/v1/stream`, { headers, signal: stop.signal });
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      heard.events += piece.split("event: event\n").length - 1;
      heard.gaps += piece.split("event: gap\n").length - 1;
    }
  })().catch((error) => {
    if (error.name !== "AbortError") throw error;
  });
  return heard;
}

/** So many events, one by one, as fast as they are taken; how many a second. */
async function rush(broker, count) {
  let left = count;
  const began = process.hrtime.bigint();
  const lane = async () => {
    while (left-- > 0) await broker.send("colectiva", "payment.released", { paymentId: randomUUID(), amount: 1 });
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  return count / (Number(process.hrtime.bigint() - began) / 1e9);
}

/** Whether the tail keeps up with 500 events a second, and what a listener costs whoever posts. */
async function tail(broker) {
  const seconds = 20;
  const heard = listen(broker);
  await new Promise((ready) => setTimeout(ready, 1_000));
  const end = Date.now() + seconds * 1_000;
  let sent = 0;
  while (Date.now() < end) {
    const due = Math.floor((500 * (Date.now() - (end - seconds * 1_000))) / 1_000) - sent;
    sent += due;
    const send = () => broker.send("colectiva", "payment.released", { paymentId: randomUUID(), amount: 1 });
    await Promise.all([...Array.from({ length: due }, send), new Promise((next) => setTimeout(next, 20))]);
  }
  await until("the tail has told all of them", () => heard.events >= sent || heard.gaps > 0);
  console.log(`live tail: ${sent} events in ${seconds} s, ${heard.events} told, ${heard.gaps} gaps`);
  heard.stop();
  await heard.ended;
  const rates = { alone: [], heard: [] };
  for (let round = 0; round < 5; round += 1) {
    rates.alone.push(await rush(broker, 5_000));
    const listener = listen(broker);
    rates.heard.push(await rush(broker, 5_000));
    listener.stop();
    await listener.ended;
  }
  const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const [alone, withOne] = [median(rates.alone), median(rates.heard)];
  const share = ((100 * withOne) / alone).toFixed(1);
  console.log(`ingest: ${alone.toFixed(0)}/s alone, ${withOne.toFixed(0)}/s with a listener (${share} %)`);
}

const broker = await Broker.start(binary);
try {
  await seed(broker);
  const began = Date.now();
  await fill(broker, Number(events));
  console.log(`${events} events taken in ${Math.round((Date.now() - began) / 1000)} s`);
  await until("the journal has them all", async () => {
    const stats = await broker.ask("GET", "/v1/stats");
    return stats.events >= Number(events);
  }, 600_000);
  await until("what can be delivered is", async () => {
    const { items } = await broker.ask("GET", "/v1/endpoints");
    return items.every((endpoint) => endpoint.breaker !== "closed" || endpoint.pending === 0);
  }, 900_000);
  console.log(`in the journal, and delivered, after ${Math.round((Date.now() - began) / 1000)} s`);
  console.log("  median      p95    worst  (ms)");
  await measure(broker);
  await tail(broker);
} finally {
  await broker.stop();
}
