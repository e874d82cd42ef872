// Every page, in light and dark, on a wide screen and on a phone: a picture of each, and what is wrong with it.

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import axe from "axe-core";

const WIDTHS = [1440, 390];
const MODES = ["light", "dark"];

/** Keeps what the console of `page` says that it should not. */
export function overheard(page) {
  const said = [];
  page.on("console", (message) => {
    if (message.type() === "error") said.push(`${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("requestfailed", (request) => {
    // What is left behind with its page has not failed.
    const why = request.failure()?.errorText;
    if (why !== "net::ERR_ABORTED") said.push(`${request.url()}: ${why}`);
  });
  return said;
}

/** What is known of a page that is shown: how far it is wider than its window, and by how much things moved. */
function measure() {
  const root = document.documentElement;
  const shifts = new Promise((done) => {
    let moved = 0;
    const observer = new PerformanceObserver((list) => {
      for (const shift of list.getEntries()) if (!shift.hadRecentInput) moved += shift.value;
    });
    observer.observe({ type: "layout-shift", buffered: true });
    setTimeout(() => {
      observer.disconnect();
      done(moved);
    }, 50);
  });
  return shifts.then((moved) => ({ moved, wide: root.scrollWidth - root.clientWidth }));
}

async function violations(page) {
  // As a debugger would, beside the page's own policy, which takes no script but its own.
  await page.evaluate(`${axe.source};undefined`);
  const { passes, violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  if (passes.length < 10) throw new Error(`axe looked at nothing: ${passes.length} rules held`);
  return violations;
}

/** Takes the picture `name` of `page` as it is in every way it can look, and judges it. */
export async function judge(page, name, folder, findings, notes) {
  mkdirSync(folder, { recursive: true });
  for (const width of WIDTHS) {
    for (const mode of MODES) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: mode, reducedMotion: "reduce" });
      await page.mouse.move(0, 0);
      const at = `${name}-${width}-${mode}`;
      const { wide } = await page.evaluate(measure);
      if (wide > 0) findings.push(`${at}: ${wide} px wider than its window`);
      await page.screenshot({ path: join(folder, `${at}.png`), fullPage: true });
      for (const { id, impact, nodes } of await violations(page)) {
        const where = nodes.slice(0, 3).map((node) => `${node.target.join(" ")}: ${node.any.map((check) => check.message).join("; ")}`);
        const line = `${at}: ${impact} ${id}\n    ${where.join("\n    ")}`;
        (["serious", "critical"].includes(impact) ? findings : notes).push(line);
      }
    }
  }
}

/** Opens `path` anew in every way it can look: nothing may move while it is drawn. Then judges it. */
export async function visit(page, url, name, folder, findings, notes) {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await page.goto(url, { waitUntil: "load" });
    const { moved } = await page.evaluate(measure);
    if (moved > 0) findings.push(`${name}-${width}: moved by ${moved} while it was drawn`);
  }
  await judge(page, name, folder, findings, notes);
}
