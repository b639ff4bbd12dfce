// Chromium, and what is wrong with a page in it: errors of the console, violations of its policy, requests to elsewhere, and what
// axe-core finds for people who cannot see, or not well.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const TIMEOUT = 30_000;
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));

export class Browser {
  static async start() {
    const made = new Browser();
    made.profile = await mkdtemp(join(tmpdir(), "roster-browser-"));
    made.context = await chromium.launchPersistentContext(made.profile, {
      executablePath: "/usr/bin/chromium",
      args: ARGUMENTS,
      viewport: { width: 1440, height: 1000 },
    });
    made.context.setDefaultTimeout(TIMEOUT);
    made.wrong = [];
    made.page = made.context.pages()[0] ?? (await made.context.newPage());
    await made.listen(made.page);
    return made;
  }

  async listen(page) {
    // Told to the page's console by the browser, and to the page itself.
    await page.addInitScript(() => addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => console.error(`policy: ${violatedDirective} ${blockedURI}`)));
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && this.complain(`console: ${message.text()}`));
    page.on("pageerror", (error) => this.complain(`error: ${error}`));
    page.on("request", (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (protocol !== "data:" && hostname !== "127.0.0.1") this.complain(`elsewhere: ${request.url()}`);
    });
  }

  complain(text) {
    if (!this.forgives?.test(text)) this.wrong.push(text);
  }

  /** Fails if anything was wrong so far. */
  nothingWrong() {
    assert.deepEqual(this.wrong, []);
  }

  /** Fails if somebody could not read or use what is seen now, in either scheme of colours. How many rules it was held to. */
  async forEverybody() {
    let passed = 0;
    for (const colorScheme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      // All has the colours of the scheme: a picture is made of it, and one more.
      await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200)))));
      // What moves is over.
      await this.page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {}))));
      const { violations, passes } = await this.page.evaluate(`(() => { const module = undefined; ${AXE}; return axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }); })()`);
      const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      const shown = serious.map(({ id, nodes }) => `${colorScheme}: ${id}: ${nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`).join("; ")}`);
      assert.deepEqual(shown, []);
      passed += passes.length;
    }
    assert.ok(passed > 20, `axe-core looked at nothing: ${passed}`);
    await this.page.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });
    return passed;
  }

  /** Fails if the page is wider than a phone. */
  async onAPhone() {
    await this.page.setViewportSize({ width: 360, height: 740 });
    const width = await this.page.evaluate(() => document.documentElement.scrollWidth);
    await this.page.setViewportSize({ width: 1440, height: 1000 });
    assert.ok(width <= 360, `on a phone the page is ${width} px wide`);
  }

  /** The picture for the manual, if it is wanted. */
  async picture(name) {
    if (process.env.SCREENSHOTS !== "1") return;
    await this.page.evaluate(() => (scrollTo(0, 0), Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})))));
    await this.page.screenshot({ path: join(DOCS, name), fullPage: true });
    console.log(`browser: docs/${name} is written`);
  }

  /** What the page looked like when a check failed. */
  async keepLook(name) {
    const path = join(tmpdir(), `roster-browser-${name}.png`);
    await this.page.screenshot({ path, fullPage: true }).catch(() => {});
    console.error(`browser: what was wrong with the page: ${JSON.stringify(this.wrong)}; what it looked like: ${path}`);
  }

  async stop() {
    await this.context.close();
    await rm(this.profile, { recursive: true, force: true });
  }
}
