// The operator's page of a host with a token: look one up, refresh, end a session, roll back, each after a second thought.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Program, startDemo } from "./program.mjs";

const TOKEN = "a-token-of-this-check";

export async function check(browser, program) {
  const folder = await mkdtemp(join(tmpdir(), "roster-operator-"));
  // An application with a contact more each time it is asked.
  let asked = 0;
  const application = createServer((request, response) => {
    asked += 1;
    const user = request.url.split("?")[0].split("/").pop();
    response.setHeader("Content-Type", "application/json");
    if (user === "failing") response.statusCode = 500;
    response.end(JSON.stringify({ [`friend${asked}@example.com`]: { name: `Friend ${asked}` } }));
  });
  await new Promise((resolve) => application.listen(0, "127.0.0.1", resolve));
  let host;
  try {
    const url = `http://127.0.0.1:${application.address().port}`;
    await plugins(folder, program);
    await writeFile(join(folder, "token"), TOKEN);
    await writeFile(
      join(folder, "host.toml"),
      `[http]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\ntoken_file = "token"\n` +
        `[[host]]\ndomain = "example.com"\nplugin = "plugin.wasm"\n[host.swap]\nwatch = false\n` +
        `[host.settings]\nhttp_roster_url = "${url}/contacts/%s?key=secret"\napi_url = "${url}/v1"\n`,
    );
    host = await Program.start(program, ["--config", join(folder, "host.toml"), "--log-json"], /roster-host is up/);
    const admin = `http://${host.said(/"admin":"([^"]*)"/)}`;
    return await play(browser, { admin, folder, host });
  } finally {
    await host?.stop();
    application.close();
    await rm(folder, { recursive: true });
  }
}

/** Two plugins as files, from the demo, which brings both along. */
async function plugins(folder, program) {
  const demo = await startDemo(program);
  try {
    for (const name of ["http-roster-admin", "paged-roster"]) {
      const found = await fetch(`${demo.said(/^Open (http:\S+)/)}plugins/${name}.wasm`);
      await writeFile(join(folder, `${name}.wasm`), Buffer.from(await found.arrayBuffer()));
    }
  } finally {
    await demo.stop();
  }
  await copyFile(join(folder, "http-roster-admin.wasm"), join(folder, "plugin.wasm"));
}

async function play(browser, { admin, folder, host }) {
  const { page } = browser;
  const ask = async (method, path) => {
    const answer = await fetch(`${admin}${path}`, { method, headers: { Authorization: `Bearer ${TOKEN}` } });
    return answer.status;
  };
  const seen = (where, text) => where.getByText(text).first().waitFor();
  const told = (text) => page.locator("#live", { hasText: text }).waitFor({ state: "attached" });
  const panel = (name) => page.getByRole("region", { name, exact: true });

  for (let number = 0; number < 25; number += 1) assert.equal(await ask("PUT", `/sessions/user${String(number).padStart(2, "0")}?resource=phone`), 200);
  assert.equal(await ask("PUT", "/sessions/failing"), 502);

  // Nothing is shown without the token; a wrong one is not taken. The browser says 401 in its console, as it does of each.
  browser.forgives = /status of 401/;
  await page.goto(`${admin}/ui`);
  const input = page.getByRole("textbox", { name: "Token" });
  await input.fill("wrong");
  await page.keyboard.press("Enter");
  await seen(page.getByRole("dialog"), "does not take that token");
  assert.equal(await page.locator("#main").isVisible(), false);
  await browser.forEverybody();
  await input.fill(TOKEN);
  await page.keyboard.press("Enter");
  await seen(page.locator("#tiles"), "26");
  browser.forgives = null;
  assert.ok(!page.url().includes(TOKEN));
  assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0, "only for this tab");

  // Who is online, page by page.
  const users = panel("Users");
  await seen(users, "user18");
  await users.getByRole("button", { name: "Next page" }).click();
  await seen(users, "user24");
  await users.getByRole("button", { name: "First page" }).click();

  // One user: the roster, the sessions, the requests without their query.
  await page.getByRole("textbox", { name: "Username" }).fill("user03");
  await page.keyboard.press("Enter");
  await seen(users, "user03@example.com");
  await seen(users, /^GET http:.*\/contacts\/user03\?\.\.\.$/);
  assert.ok(!(await users.textContent()).includes("secret"));
  await seen(users, /^version \d+, 1 contact$/);
  const version = async () => /version (\d+)/.exec(await page.locator("#one").textContent())[1];
  const before = await version();

  // Refreshed, but not before a second thought.
  const sure = page.getByRole("dialog");
  await users.getByRole("button", { name: "Refresh", exact: true }).click();
  await seen(sure, "Ask for the roster of user03 again?");
  await seen(sure, /rosters\/refresh\?domain=example.com&user=user03/);
  await browser.forEverybody();
  await page.keyboard.press("Escape");
  assert.equal(await version(), before);
  await users.getByRole("button", { name: "Refresh", exact: true }).click();
  await sure.getByRole("button", { name: "Refresh" }).click();
  await told("1 updated, 0 failed.");
  assert.notEqual(await version(), before);

  // Who fails, and why.
  await users.getByRole("textbox", { name: "Username" }).fill("failing");
  await page.keyboard.press("Enter");
  await seen(page.locator("#one"), "500");
  await seen(page.locator("#one"), "not here");
  await seen(panel("Latest warnings and errors"), /status 500/);

  // A session is ended.
  await users.getByRole("button", { name: "Look up user00" }).click();
  await users.getByRole("button", { name: "End", exact: true }).click();
  await seen(sure, "End the session phone of user00?");
  await sure.getByRole("button", { name: "End" }).click();
  await told("phone is ended.");
  await seen(page.locator("#one"), "No session.");
  await seen(page.locator("#tiles"), "25");

  // Another plugin, and back.
  await copyFile(join(folder, "paged-roster.wasm"), join(folder, "plugin.wasm"));
  const plugin = panel("Plugin");
  await plugin.getByRole("button", { name: "Read it again" }).click();
  await sure.getByRole("button", { name: "Read it again" }).click();
  await told("swapped.");
  await plugin.getByRole("button", { name: "Roll back to generation 1" }).click();
  await seen(sure, "Put generation 1 back?");
  await sure.getByRole("button", { name: "Leave it" }).click();
  await seen(plugin, "by reload");
  assert.equal(await plugin.getByText("by rollback").count(), 0);
  await plugin.getByRole("button", { name: "Roll back to generation 1" }).click();
  await sure.getByRole("button", { name: "Roll back" }).click();
  await seen(plugin, "by rollback");

  // All of them, while the plots show it.
  await users.getByRole("button", { name: "Ask for all rosters again" }).click();
  await sure.getByRole("button", { name: "Refresh all" }).click();
  await told("1 failed.");
  await page.getByRole("img", { name: /^Rosters brought up to date: now .*, highest [1-9]/ }).waitFor();
  await users.getByRole("button", { name: "Look up user03" }).click();
  await seen(users, "user03@example.com");
  const rules = await browser.forEverybody();
  await browser.onAPhone();
  await browser.picture("operator.png");

  // What was done is in the log.
  for (const line of ["the operator had rosters refreshed", "the operator ended sessions", "plugin swap done"]) {
    assert.ok(host.text.includes(line), `the log does not say: ${line}`);
  }
  assert.ok(!host.text.includes(TOKEN));
  await page.getByRole("button", { name: "Forget the token" }).click();
  browser.forgives = /status of 401/;
  await input.waitFor();
  browser.nothingWrong();
  return `a token, a look-up, a refresh, an end, a rollback; ${rules} rules for everybody`;
}
