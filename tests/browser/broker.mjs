// The built binary on a store of its own, between apps that are played here. Never leaves a process behind.

import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Longest wait for anything. */
export const PATIENCE_MS = 30_000;

const SIGNERS = ["colectiva", "caracol", "mancha", "plenura", "rito"];
/** Who receives, and how it answers at first. */
const RECEIVERS = { mancha: "well", baul: "busy", constanza: "strict", "cosmos-pet": "well", agora: "well" };

export const secretOf = (app) => `${app}-signs-its-events-with-this-one`;
const endpointSecretOf = (app) => `whsec_${Buffer.from(`${app} is delivered to with this`).toString("base64")}`;

/** Asks again until `look` gives something; fails with `what` when patience ends. */
export async function until(what, look, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await new Promise((again) => setTimeout(again, 100));
  }
}

async function listening(server) {
  await new Promise((done, failed) => server.once("error", failed).listen(0, "127.0.0.1", done));
  return server.address().port;
}

/** The apps' side: each path is an app, whose answers can be changed. */
async function receivers() {
  const answers = {
    well: [200, "ok"],
    busy: [503, "the kitchen is closed, try later"],
    strict: [422, '{"error":"invoice.total must be a number"}'],
  };
  const moods = { ...RECEIVERS };
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      const [status, said] = answers[moods[request.url.slice(1)]];
      response.writeHead(status).end(said);
    });
  });
  const port = await listening(server);
  return { port, moods, stop: () => server.close() };
}

function config(store, port, apps) {
  const signing = (app) => (SIGNERS.includes(app) ? `signing_secrets = ["${secretOf(app)}"]\n` : "");
  const endpoint = (app) =>
    app in RECEIVERS
      ? `endpoint = "http://127.0.0.1:${apps.port}/${app}"\nendpoint_secrets = ["${endpointSecretOf(app)}"]\n`
      : "";
  const all = [...new Set([...SIGNERS, ...Object.keys(RECEIVERS)])];
  const tables = all.map((app) => `[apps.${app}]\n${signing(app)}${endpoint(app)}`);
  return [
    `[server]\nlisten = "127.0.0.1:${port}"\n`,
    `[store]\npath = ${JSON.stringify(join(store, "data"))}\n`,
    `[delivery]\nallowed_networks = ["127.0.0.0/8"]\n`,
    // Rejections in a row open a breaker: not before all of them are dead letters.
    `[delivery.breaker]\nfailures = 24\n`,
    ...tables,
  ].join("\n");
}

/** A broker at work. */
export class Broker {
  /** Starts `binary`. */
  static async start(binary) {
    const apps = await receivers();
    const probe = createServer();
    const port = await listening(probe);
    await new Promise((done) => probe.close(done));
    const store = mkdtempSync(join(tmpdir(), "camino-browser-"));
    const file = join(store, "config.toml");
    writeFileSync(file, config(store, port, apps));
    let said = "";
    const child = spawn(binary, ["--config", file, "serve"], { cwd: store, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
    const broker = Object.assign(new Broker(), { apps, child, store, url: `http://127.0.0.1:${port}`, log: () => said });
    try {
      await until("the broker is ready", async () => {
        if (child.exitCode !== null) throw new Error(`the broker ended at its start:\n${said}`);
        return fetch(`${broker.url}/readyz`).then((answer) => answer.ok, () => false);
      });
    } catch (error) {
      await broker.stop();
      throw error;
    }
    broker.key = readFileSync(join(store, "data", "admin.key"), "utf8").trim();
    return broker;
  }

  async stop() {
    this.apps.stop();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((done) => this.child.once("exit", done));
      this.child.kill("SIGTERM");
      const late = setTimeout(() => this.child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(late);
    }
    rmSync(this.store, { recursive: true, force: true });
  }

  /** Lets `app` answer as `mood` says from now on. */
  mood(app, mood) {
    this.apps.moods[app] = mood;
  }

  /** Posts an event as `source` would; its id. */
  async send(source, eventType, data, organizationId = "org_finca_el_roble") {
    const eventId = randomUUID();
    const body = JSON.stringify({
      eventId, eventType, timestamp: new Date().toISOString(), source, organizationId, data,
    });
    const answer = await fetch(`${this.url}/v1/events`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-webhook-signature": `sha256=${createHmac("sha256", secretOf(source)).update(body).digest("hex")}`,
        "x-webhook-timestamp": String(Math.floor(Date.now() / 1000)),
      },
      body,
    });
    if (answer.status !== 202) throw new Error(`${eventType}: ${answer.status} ${await answer.text()}`);
    return eventId;
  }

  /** Asks the management API. */
  async ask(method, path, body) {
    const answer = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  }

  /** The items of a list once there are `count`. */
  items(path, count) {
    return until(`${count} items at ${path}`, async () => {
      const { items } = await this.ask("GET", path);
      return items.length >= count && items;
    });
  }
}
