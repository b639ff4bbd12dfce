// The demo's page: both clients log in, contacts come and go, a chat, a swap, a broken plugin in two ways, and the way back.
import assert from "node:assert/strict";

import { startDemo } from "./program.mjs";

export async function check(browser, program) {
  const demo = await startDemo(program);
  try {
    return await play(browser, demo.said(/^Open (http:\S+)/));
  } finally {
    await demo.stop();
  }
}

async function play(browser, url) {
  const { page } = browser;
  await page.goto(url);
  const button = (name) => page.getByRole("button", { name, exact: true });
  const client = (user) => page.getByRole("region", { name: `Client of ${user}` });
  const contact = (user, of) => client(user).getByRole("listitem").filter({ hasText: new RegExp(`${of} ·`) });
  const timeline = page.getByRole("list", { name: "What happens, newest first" });
  const seen = (where, text) => where.getByText(text).first().waitFor();

  // Both are logged in, and see each other.
  for (const [user, other] of [["john", "marie"], ["marie", "john"]]) {
    await page.locator(`.client[data-user="${user}"][data-state="online"]`).waitFor();
    await seen(contact(user, other), "available");
  }
  assert.equal(await contact("john", "aaron").count(), 0);
  await browser.forEverybody();
  await browser.onAPhone();

  // A friend more, with the keyboard, at whose client it concerns; the other's stays as it is.
  const befriend = button("Befriend John and Aaron");
  await befriend.focus();
  await seen(page.locator('[data-strip="app"]'), `curl -X PUT ${url}friends/john/aaron`);
  await page.keyboard.press("Enter");
  await contact("john", "aaron").waitFor();
  const entry = timeline.getByRole("listitem").first();
  for (const text of ['POST /roster_admin/refresh ["john","aaron"]', "changed-users", "make-request", "GET /contacts/john", "read-response", "+ aaron “Aaron”", "summary"]) {
    await seen(entry, text);
  }
  await seen(entry, /^200 in [\d.]+ (µs|ms)$/);
  await button("Unfriend John and Aaron").waitFor();
  assert.equal(await button("Unfriend John and Aaron").evaluate((one) => one === document.activeElement), true, "the focus stays");

  // A name for another, seen at John's, and nothing new.
  await button("Rename Marie").click();
  await page.getByRole("textbox", { name: "New name of Marie" }).fill("Mary");
  await page.keyboard.press("Enter");
  await seen(contact("john", "marie"), "Mary");
  await page.locator("#again").click();
  await seen(timeline.getByRole("listitem").first(), "read-response left out");

  // A chat, and who is away.
  await contact("john", "marie").getByRole("button").click();
  await page.getByRole("textbox", { name: "Message from john" }).fill("Did you see? Aaron is on my list now.");
  await page.keyboard.press("Enter");
  await contact("marie", "john").getByRole("button").click();
  await seen(page.getByRole("log", { name: "Chat of marie" }), "Did you see? Aaron is on my list now.");
  await page.getByRole("textbox", { name: "Message from marie" }).fill("Yes, without reloading anything.");
  await page.keyboard.press("Enter");
  await seen(page.getByRole("log", { name: "Chat of john" }), "Yes, without reloading anything.");
  await page.getByRole("combobox", { name: "Presence of marie" }).selectOption("Away");
  await seen(contact("john", "marie"), "away");
  await page.getByRole("combobox", { name: "Presence of marie" }).selectOption("Available");
  await seen(contact("john", "marie"), "available");

  // Another plugin takes over, and passes.
  const serves = (name) => page.locator("#serves", { hasText: name }).waitFor();
  const settled = () => seen(page.locator("#serving"), "Settled");
  const receipts = page.locator("#receipts");
  await serves("http-roster-admin");
  await button("Swap to paged-roster").click();
  await seen(page.locator('[data-strip="plugin"]'), "/plugins/paged-roster.wasm");
  await serves("paged-roster");
  await settled();
  await seen(receipts, "Swapped");
  await button("Befriend Mary and Michael").click();
  await contact("marie", "michael").waitFor();
  await seen(timeline, "GET /v1/users/marie/contacts");

  // Half of one is refused; one that fails in use is put back by itself, and nobody notices.
  await button("Break it: send half of it").click();
  await seen(receipts, "Refused at “compile”");
  await button("Break it: let it fail in use").click();
  await seen(receipts, "Rolled back by itself");
  await serves("paged-roster");
  await seen(timeline, /all answered$/);
  await browser.picture("demo.png");
  // Pressed for so long that what is shown of the plugin would be drawn anew meanwhile.
  const pressed = button("Roll back").click({ delay: 2500 });
  await page.evaluate(() => fetch("/demo/refresh", { method: "POST", headers: { "Content-Type": "application/json" }, body: '["john"]' }));
  await pressed;
  await seen(receipts, "Rolled back by hand");
  await serves("http-roster-admin");
  await page.waitForFunction(async () => (await (await fetch("/demo/state")).json()).outage === null);

  // And a friend less.
  await button("Unfriend John and Aaron").click();
  await contact("john", "aaron").waitFor({ state: "detached" });
  const rules = await browser.forEverybody();
  await browser.onAPhone();
  browser.nothingWrong();
  return `two clients, a chat, a swap, a refusal and a rollback; ${rules} rules for everybody`;
}
