// What john and marie have to see, for clients in JavaScript. A client is wrapped in an object with
//
//   logIn() -> { mechanism, trusted }   getRoster() -> { JID: {name, groups, subscription} }
//   sendPresence({ show, status })      sendMessage(to, body)      logOut()
//   cut(), comeBack()    if it can resume a session
//   seen      what it was given: ["push", items], ["presence", from, type, show, status], ["message", from, type, body]
//   stanzas   all it received, as text
import { isDeepStrictEqual } from "node:util";
import { deepStrictEqual, ok } from "node:assert";
import { readFileSync } from "node:fs";

export const TIMEOUT = 30_000; // ms, for anything to happen on a busy machine

export const setup = JSON.parse(readFileSync(process.argv[2], "utf8"));

export class Seen {
  constructor(who) {
    Object.assign(this, { who, all: [], waiting: new Set() });
  }

  add(...what) {
    this.all.push(what);
    for (const look of this.waiting) look();
  }

  // Until the client was given exactly `what`, which is then forgotten.
  async wait(...what) {
    const found = () => this.all.findIndex((one) => isDeepStrictEqual(one, what));
    if (found() < 0) {
      await within(
        new Promise((resolve) => {
          const look = () => found() >= 0 && (this.waiting.delete(look), resolve());
          this.waiting.add(look);
        }),
        () => `${this.who}: expected ${JSON.stringify(what)}, was given ${this.all.map((one) => `\n  ${JSON.stringify(one)}`)}`,
      );
    }
    this.all.splice(found(), 1);
  }
}

// `promise`, or an error that says what was waited for.
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${TIMEOUT} ms: ${what()}`)), TIMEOUT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function refresh(user, contacts) {
  const signal = AbortSignal.timeout(TIMEOUT);
  await fetch(`${setup.application}/contacts/${user}`, { method: "PUT", body: JSON.stringify(contacts), signal });
  const answer = await fetch(setup.refresh, { method: "POST", body: JSON.stringify([user]), signal });
  const expected = { status: "ok", message: "roster update complete", updated: 1, errors: 0 };
  deepStrictEqual(await answer.json(), expected, "the answer to the refresh");
}

const contact = (name, groups = [], subscription = "both") => ({ name, groups, subscription });

async function everything(john, marie, mechanisms) {
  for (const client of [john, marie]) {
    const { mechanism, trusted } = await within(client.logIn(), () => `${client.user} logs in`);
    ok(trusted, `${client.user}: the certificate was not verified`);
    ok(mechanisms.includes(mechanism), `${client.user}: mechanism ${mechanism}, expected one of ${mechanisms}`);
    console.log(`  ${client.user}: ${client.over}, ${mechanism}`);
  }
  const asked = (client) => within(client.getRoster(), () => `${client.user}'s roster`);
  deepStrictEqual(await asked(john), { "marie@localhost": contact("Marie", ["Friends"]) });
  deepStrictEqual(await asked(marie), { "john@localhost": contact("John") });

  const before = { "marie@localhost": { name: "Marie", groups: ["Friends"] } };
  const changes = [
    ["added", { name: "Aaron", groups: ["New"] }, contact("Aaron", ["New"])],
    ["renamed", { name: "Aaron the Second" }, contact("Aaron the Second")],
    ["removed", null, contact(undefined, [], "remove")],
  ];
  for (const [what, told, pushed] of changes) {
    await refresh("john", told ? { ...before, "aaron@localhost": told } : before);
    await john.seen.wait("push", { "aaron@localhost": pushed });
    console.log(`  john was pushed the contact that was ${what}`);
  }
  deepStrictEqual(await asked(john), { "marie@localhost": contact("Marie", ["Friends"]) });

  await john.sendPresence({});
  await marie.sendPresence({ status: "here" });
  await john.seen.wait("presence", marie.jid, "available", "", "here");
  await marie.seen.wait("presence", john.jid, "available", "", "");
  await marie.sendPresence({ show: "away", status: "lunch" });
  await john.seen.wait("presence", marie.jid, "available", "away", "lunch");

  await john.sendMessage("marie@localhost", "Hello & <welcome> ☕");
  await marie.seen.wait("message", john.jid, "chat", "Hello & <welcome> ☕");
  await marie.sendMessage(john.jid, "Hello yourself");
  await john.seen.wait("message", marie.jid, "chat", "Hello yourself");

  if (john.cut) {
    await within(john.cut(), () => "john is cut off");
    await refresh("john", { ...before, "aaron@localhost": { name: "Aaron" } });
    await marie.sendMessage(john.jid, "Are you there?");
    await within(john.comeBack(), () => "john resumes his session");
    await john.seen.wait("push", { "aaron@localhost": contact("Aaron") });
    await john.seen.wait("message", marie.jid, "chat", "Are you there?");
    console.log("  john was cut off, resumed his session, and had missed nothing");
  }

  await within(marie.logOut(), () => "marie logs out");
  await john.seen.wait("presence", marie.jid, "unavailable", "", "");
  console.log("  presence and messages went both ways");
  await within(john.logOut(), () => "john logs out");
}

// Ends the process: 0 if all was seen.
export async function play(john, marie, mechanisms) {
  try {
    await everything(john, marie, mechanisms);
  } catch (error) {
    for (const { user, stanzas } of [john, marie]) {
      console.error(`--- stanzas ${user} received:${stanzas.map((one) => `\n  ${one}`).join("")}`);
    }
    console.error(error);
    process.exit(1);
  }
}
