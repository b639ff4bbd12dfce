// What happens, as the host and the application tell it: one entry for each thing the application said, and in it a lane for
// each user.
import { counted, duration, el, part, say } from "./dom.js";

const MOST = 30;
/** The latest first. */
const entries = [];

const path = (url) => {
  try {
    return new URL(url).pathname;
  } catch {
    return url;
  }
};

/** An event of the stage. */
export function happened(event) {
  const handler = handlers[event.kind];
  if (handler) handler(event);
}

const handlers = {
  post: (event) => {
    const merged = event.canary && entries[0]?.canary && entries[0];
    const entry = merged || add("POST /roster_admin/refresh", event.canary);
    if (merged) entry.lanes.replaceChildren();
    entry.posts.add(event.post);
    entry.count += 1;
    entry.users = event.users;
    entry.open = true;
    entry.what.textContent = event.canary
      ? `A new plugin is watched: ${entry.count} ${entry.count === 1 ? "refresh" : "refreshes"}`
      : `POST /roster_admin/refresh ${JSON.stringify(event.users)}`;
    entry.end.textContent = "…";
  },
  answer: (event) => {
    const entry = entries.find((one) => one.posts.has(event.post));
    if (!entry) return;
    entry.open = false;
    const good = event.status === 200 && !/"errors":[1-9]/.test(event.body ?? "");
    entry.failed += good ? 0 : 1;
    entry.end.className = good ? "end" : "end bad";
    const failed = entry.canary ? (entry.failed ? `, ${entry.failed} failed` : ", all answered") : "";
    entry.end.textContent = `${event.status ?? "no answer"} in ${duration(event.micros)}${failed}`;
    entry.end.title = event.body ?? "";
    if (!entry.canary) say(`The host has answered ${event.status} in ${duration(event.micros)}.`);
  },
  // `check` is of a plugin that is about to take over.
  call: (event) => event.hook !== "check" && put(event.user, "k-plugin", event.hook, duration(event.micros), event.ok ? "" : "trapped"),
  get: (event) => {
    const what = `${event.method ?? "shared"} ${path(event.url)}`;
    const answer = event.status ? `${event.status}` : (event.error ?? "no answer");
    put(event.user, event.status && event.status < 400 ? "k-net" : "k-bad", what, duration(event.micros), answer);
  },
  same: (event) => put(event.user, "k-plugin same", "read-response left out", "", "same response"),
  loaded: (event) => put(event.user, "k-delta", `roster v${event.version}`, "", counted(event.contacts, "contact")),
  dropped: (event) => put(event.user, "k-delta", `roster v${event.version}`, "", "no longer kept"),
  changed: (event) => {
    for (const { put: jid, name, remove } of event.changes) {
      const text = remove ? `− ${remove.split("@")[0]}` : `+ ${jid.split("@")[0]}${name ? ` “${name}”` : ""}`;
      put(event.user, "k-delta", text, "", `v${event.version}`);
    }
  },
};

function add(title, canary = false) {
  const what = el("b", { textContent: title });
  const end = el("span", { className: "end" });
  const lanes = el("div", { className: "lanes" });
  const element = el("li", { className: "entry arrive" }, el("div", { className: "entry-head" }, what, end), lanes);
  const entry = { element, what, end, lanes, posts: new Set(), users: [], open: false, canary, count: 0, failed: 0 };
  entries.unshift(entry);
  part("timeline").prepend(element);
  part("timeline-empty").hidden = true;
  for (const old of entries.splice(MOST)) old.element.remove();
  return entry;
}

/** A chip in the lane of a user; those of nobody stand in a lane of their own. */
function put(user, kind, what, time, note) {
  let entry = entries.find((one) => one.open && (!user || one.users.includes(user)));
  if (!entry && user) {
    // Nobody said anything: somebody has logged in, or the host asks by itself.
    entry = entries[0]?.login === user ? entries[0] : add(`${user}: the roster is wanted`);
    entry.login = user;
    entry.what.className = "k-delta";
  }
  entry ??= entries[0];
  if (!entry) return;
  const chip = el(
    "span",
    { className: `chip ${kind}` },
    el("b", { textContent: what }),
    note && el("span", { className: note.length < 16 ? "short" : "", textContent: note }),
    time && el("span", { className: "t", textContent: time }),
  );
  lane(entry, user).lastElementChild.append(chip);
}

function lane(entry, user) {
  // What the plugin says last stands last.
  const name = user || (entry.lanes.childElementCount > 1 ? "last" : "first");
  const found = [...entry.lanes.children].find((one) => one.dataset.of === name);
  if (found) return found;
  const label = el("span", { className: "of", textContent: user || (name === "first" ? "all" : "reply") });
  const made = el("div", { className: "lane", data: { of: name } }, label, el("div", { className: "chips" }));
  entry.lanes.append(made);
  return made;
}
