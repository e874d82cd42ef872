// What somebody does at three in the morning, in a browser, on the built binary; then a look at every page.
//
// node run.mjs BINARY FOLDER: FOLDER gets the pictures. CAMINO_BROWSER names the browser. Exit code 0: all well.

import { strict as assert } from "node:assert";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

import { Broker, PATIENCE_MS } from "./broker.mjs";
import { judge, overheard, visit } from "./pages.mjs";
import { seed } from "./seed.mjs";

const [binary, folder] = process.argv.slice(2);
assert(binary && folder, "usage: node run.mjs BINARY FOLDER");

/** Runs `work` and says how long it took. */
async function told(name, work) {
  const began = Date.now();
  const made = await work();
  console.log(`ok  ${name} (${Date.now() - began} ms)`);
  return made;
}

const button = (page, name) => page.getByRole("button", { name });

async function signIn(page, broker) {
  await page.goto(broker.url);
  await page.getByLabel("Key").fill("camino_not-a-key");
  await button(page, "Sign in").click();
  await page.getByText("This key is not valid").waitFor();
  await page.getByLabel("Key").fill(broker.key);
  await button(page, "Sign in").click();
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  assert.equal(await page.evaluate(() => document.cookie), "", "no script sees the session");
}

/** "Why did Constanza not get it?", then one button. */
async function retry(page, broker) {
  await page.getByRole("link", { name: "Events", exact: true }).click();
  await page.getByLabel("Receiver").fill("constanza");
  await page.getByLabel("State").selectOption("dead");
  await button(page, "Search").click();
  await page.waitForURL(/receiver=constanza/);
  await page.locator("main table a.id").first().click();
  const delivery = page.locator("ol.trip > li").filter({ has: page.getByRole("link", { name: "constanza" }) });
  await delivery.getByText("422 the receiver rejected it").waitFor();
  await delivery.getByText("invoice.total must be a number").waitFor();
  const path = new URL(page.url()).pathname;
  broker.mood("constanza", "well");
  await delivery.getByRole("button", { name: /^Retry/ }).click();
  await page.getByText("It is being sent again to constanza").waitFor();
  // From here on the page is not loaded again: what comes, comes by itself.
  await page.evaluate(() => (globalThis.isSame = true));
  await delivery.locator("h2 .good").waitFor();
  assert(await page.evaluate(() => globalThis.isSame), "shown without another load");
  broker.mood("constanza", "strict");
  return path;
}

/** What is paused waits; what is resumed gets it. */
async function pause(page, broker) {
  await page.getByRole("link", { name: "Endpoints", exact: true }).click();
  await page.getByRole("link", { name: "mancha" }).click();
  await button(page, "Pause").click();
  await page.getByText("mancha: paused").waitFor();
  const id = await broker.send("colectiva", "payment.completed", { paymentId: "pay_9", amount: 900, currency: "MXN" });
  await broker.items(`/v1/deliveries?receiver=mancha&state=parked&q=${id}`, 1);
  await page.goto(`${broker.url}/events/colectiva/${id}`);
  await page.locator("ol.trip > li").filter({ hasText: "mancha" }).getByText("parked").first().waitFor();
  await page.goto(`${broker.url}/endpoints/mancha`);
  await button(page, "Resume").click();
  await page.getByText("mancha: at work again").or(page.getByText("mancha: resumed")).waitFor();
  await broker.items(`/v1/deliveries?receiver=mancha&state=delivered&q=${id}`, 1);
}

/** An event of a type that the registry has never heard of goes to whom a person names. */
async function release(page) {
  await page.getByRole("link", { name: "Quarantine", exact: true }).click();
  const row = page.getByRole("row").filter({ hasText: "payment.compleeted" });
  await row.getByText("payment.completed?").waitFor();
  await row.locator("a.id").click();
  await page.getByLabel("Receivers").fill("mancha");
  await button(page, "Release").click();
  await page.getByText("released").first().waitFor();
  await page.locator("ol.trip > li").filter({ has: page.getByRole("link", { name: "mancha" }) }).locator("h2 .good").waitFor();
}

/** The first page that a list leads to. */
async function first(page, broker, list) {
  await page.goto(broker.url + list);
  return page.locator("main table tbody a").first().getAttribute("href");
}

async function places(page, broker, event) {
  const quarantined = await first(page, broker, "/quarantine");
  return {
    "overview": "/",
    "events": "/events",
    "events-filtered": "/events?receiver=constanza&state=dead&organization=org_finca_el_roble",
    "events-none": "/events?q=there+is+no+such+id",
    "event": event,
    "event-quarantined": quarantined,
    "endpoints": "/endpoints",
    "endpoint-refusing": "/endpoints/constanza",
    "endpoint-busy": "/endpoints/baul",
    "endpoint-hub": "/endpoints/camino",
    "dead-letters": "/dead-letters",
    "dead-letters-filtered": "/dead-letters?receiver=constanza&reason=rejected",
    "quarantine": "/quarantine",
    "registry": "/registry?q=payment",
    "type": "/registry/payment.completed",
    "replays": "/replays",
    "contacts": "/contacts",
    "contact": await first(page, broker, "/contacts?q=ana%40example.com"),
    "subscriptions": "/subscriptions",
    "subscription": await first(page, broker, "/subscriptions?state=past_due"),
    "tickets": "/tickets",
    "ticket": await first(page, broker, "/tickets"),
    "keys": "/keys",
    "audit": "/audit",
  };
}

/** Pages that only a form leads to. */
async function answers(page, broker, look) {
  await page.goto(`${broker.url}/dead-letters`);
  await button(page, "Count").first().click();
  await button(page, /^Replay \(/).waitFor();
  await look("replay-counted");
  await page.goto(`${broker.url}/endpoints/constanza`);
  await button(page, "Send a test").click();
  await page.getByText("HTTP 422").waitFor();
  await look("endpoint-tested");
  await page.goto(`${broker.url}/endpoints/agora`);
  await page.getByText("Rotate the secret").click();
  await button(page, "Make a new secret").click();
  await page.getByText(/whsec_/).waitFor();
  await look("endpoint-rotated");
}

async function everyPage(page, broker, event) {
  const findings = [];
  const notes = [];
  for (const [name, path] of Object.entries(await places(page, broker, event))) {
    assert(path, `${name} has a page`);
    // One that takes its time, so that it is seen under way.
    const slow = { receiver: "cosmos-pet", state: "delivered", ratePerSecond: 1 };
    if (name === "replays") await broker.ask("POST", "/v1/replays", slow);
    await visit(page, broker.url + path, name, folder, findings, notes);
  }
  await answers(page, broker, (name) => judge(page, name, folder, findings, notes));
  return { findings, notes };
}

/** What nobody is signed in for, a page that is not there, and Spanish. */
async function aside(browser, broker, state) {
  const findings = [];
  const notes = [];
  const out = await browser.newPage();
  await visit(out, broker.url, "sign-in", folder, findings, notes);
  await out.close();
  const missing = await browser.newPage({ storageState: state });
  await visit(missing, `${broker.url}/endpoints/nobody`, "trouble", folder, findings, notes);
  await missing.close();
  const spanish = await browser.newPage({ storageState: state, locale: "es-MX" });
  for (const path of ["/", "/events", "/endpoints/baul", "/tickets", "/subscriptions", "/keys"]) {
    await visit(spanish, broker.url + path, `es${path.replaceAll("/", "-")}`, folder, findings, notes);
  }
  await spanish.close();
  return { findings, notes };
}

/** Has `page` seen, or hidden behind another tab. */
async function turn(page, isHidden) {
  await page.evaluate((isHidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

/** A second tab, which listens only while somebody looks at it. */
async function watch(context, broker) {
  const page = await context.newPage();
  const isStream = (request) => new URL(request.url()).pathname === "/stream";
  const begun = page.waitForRequest(isStream);
  await page.goto(`${broker.url}/events`);
  await begun;
  const ended = page.waitForEvent("requestfailed", isStream);
  await turn(page, true);
  await ended;
  const again = page.waitForRequest(isStream);
  const refreshed = page.waitForRequest((request) => request.headers()["camino-refresh"] === "1");
  await turn(page, false);
  await Promise.all([again, refreshed]);
  return page;
}

async function run(browser, broker) {
  const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const said = overheard(page);
  await told("the broker has enough to show", () => seed(broker));
  await told("sign in", () => signIn(page, broker));
  const event = await told("find, read why, retry, see it delivered", () => retry(page, broker));
  await told("pause and resume", () => pause(page, broker));
  const every = await told("every page", () => everyPage(page, broker, event));
  await told("release from quarantine", () => release(page));
  const rest = await told("sign-in, trouble, Spanish", async () => aside(browser, broker, await context.storageState()));
  const other = await told("a tab that is hidden does not listen", () => watch(context, broker));
  await told("sign out, which the other tab notices", async () => {
    await button(page, "Sign out").click();
    await page.getByLabel("Key").waitFor();
    await other.getByText("This page is no longer live.").waitFor();
  });
  const findings = [...every.findings, ...rest.findings, ...said.map((line) => `console: ${line}`)];
  for (const note of [...every.notes, ...rest.notes]) console.log(`note ${note}`);
  for (const finding of findings) console.log(`BAD ${finding}`);
  assert.equal(findings.length, 0, `${findings.length} findings`);
}

mkdirSync(folder, { recursive: true });
const broker = await Broker.start(binary);
let browser;
try {
  browser = await chromium.launch({ executablePath: process.env.CAMINO_BROWSER });
  await run(browser, broker);
} catch (error) {
  console.log(`FAILED ${error.stack}`);
  console.log(`--- the end of the broker's log\n${broker.log().slice(-1_500)}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  await broker.stop();
}
