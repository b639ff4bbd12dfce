// Who is online, and all that is known of one user.
import { address, call, command, domain, sure } from "./api.js";
import { age, counted, el, part, redraw, say, table } from "./words.js";

const PAGE = 20;
/** Where each page before this one began. */
let pages = [""];
let looked = null;

/** Shows the page of online users that is looked at, and the user who is. */
export async function showUsers() {
  const path = address("sessions", { domain: domain(), after: pages.at(-1), limit: PAGE });
  const { online, users, next } = await call("GET", path);
  const rows = users.map(({ user, sessions, roster }) => [
    named(user),
    sessions.map(({ via }) => via).join(", "),
    { num: age(Math.max(...sessions.map(({ age_seconds }) => age_seconds), 0)) },
    { num: roster ? roster.contacts : "—" },
    { num: roster ? age(roster.age_seconds) : "not here" },
  ]);
  const turn = (text, enabled, to) => {
    const made = el("button", { type: "button", textContent: text, disabled: !enabled, data: { id: text } });
    made.addEventListener("click", () => {
      to();
      showUsers().catch((error) => say(error.message));
    });
    return made;
  };
  redraw("online", [
    table(`${online} online`, ["User", "Via", { num: "online for" }, { num: "contacts" }, { num: "confirmed" }], rows, "Nobody is online."),
    el("div", { className: "row" }, turn("First page", pages.length > 1, () => (pages = [""])), turn("Next page", next !== null, () => pages.push(next))),
  ]);
}

function named(user) {
  const made = el("button", { type: "button", className: "link", textContent: user, data: { id: `user-${user}` }, ariaLabel: `Look up ${user}` });
  made.addEventListener("click", () => lookUp(user));
  return made;
}

/** Another domain: its first page, and nobody looked up. */
export function beginAgain() {
  pages = [""];
  looked = null;
  part("one").replaceChildren();
}

/** Looks up one user. */
export async function lookUp(user) {
  looked = user;
  await showOne();
  say(`${user} is shown.`);
}

/** What is shown of the user who is looked at is fetched anew. */
export async function showOne() {
  if (!looked) return;
  const wanted = looked;
  let known = null;
  let why = "";
  try {
    known = await call("GET", address(`users/${encodeURIComponent(wanted)}`, { domain: domain() }));
  } catch (error) {
    why = error.message;
  }
  if (wanted !== looked) return;
  const open = part("one").querySelector("details")?.open;
  redraw("one", [known ? card(known, open) : el("div", { className: "card" }, head(wanted, []), el("p", { className: "plain", textContent: why }))]);
}

function head(user, buttons) {
  const close = el("button", { type: "button", className: "quiet", textContent: "Close", data: { id: "close" } });
  close.addEventListener("click", () => {
    looked = null;
    part("one").replaceChildren();
    part("who").focus();
  });
  return el("div", { className: "card-head" }, el("h3", { textContent: `${user}@${domain()}` }), el("div", { className: "row" }, ...buttons, close));
}

function card({ user, sessions, failures, roster, requests }, open) {
  const buttons = [action("Refresh", `refresh ${user}`, () => refresh(user))];
  if (sessions.length) buttons.push(action("End all sessions", `end-all`, () => end(user)));
  const facts = [
    ["roster", roster ? `version ${roster.version}, ${counted(roster.contacts.length, "contact")}` : "not here"],
    ["confirmed", roster ? `${age(roster.age_seconds)} ago` : "—"],
    ["tag", roster?.tag ?? "none"],
    ["failed updates", failures === 0 ? "none" : `${failures} one after another; the application is asked again`],
  ];
  const rows = sessions.map(({ name, via, age_seconds }) => [
    el("code", { textContent: name }),
    via,
    { num: age(age_seconds) },
    { act: via === "attached" || via === "cluster" ? "" : action("End", `end ${name}`, () => end(user, name)) },
  ]);
  const asked = requests.map(({ method, url, status, error, milliseconds, age_seconds }) => [
    el("code", { textContent: `${method ?? "together"} ${url}` }),
    el("span", { className: status && status < 400 ? "good" : "bad", textContent: status ?? error }),
    { num: milliseconds === null ? "—" : `${milliseconds} ms` },
    { num: `${age(age_seconds)} ago` },
  ]);
  const contacts = (roster?.contacts ?? []).slice(0, 200).map(({ jid, name, subscription, groups }) => [jid, name ?? "", subscription, groups.join(", ")]);
  const more = (roster?.contacts.length ?? 0) - contacts.length;
  return el(
    "div",
    { className: "card" },
    head(user, buttons),
    el("dl", { className: "facts" }, ...facts.flatMap(([of, is]) => [el("dt", { textContent: of }), el("dd", { textContent: is })])),
    table("Sessions", ["Name", "Via", { num: "for" }, { num: "" }], rows, "No session."),
    table("Latest requests to the application", ["Request, without its query", "Answer", { num: "took" }, { num: "when" }], asked, "None is remembered."),
    el(
      "details",
      { open: open ?? false },
      el("summary", { textContent: `Contacts (${roster?.contacts.length ?? 0})` }),
      table("Contacts", ["Address", "Name", "Subscription", "Groups"], contacts, "None."),
      more > 0 && el("p", { className: "plain", textContent: `and ${more} more` }),
    ),
  );
}

function action(text, id, work) {
  const made = el("button", { type: "button", textContent: text, data: { id } });
  made.addEventListener("click", () => work().catch((error) => say(error.message)));
  return made;
}

async function refresh(user) {
  const path = address("rosters/refresh", { domain: domain(), user });
  if (!(await sure(`Ask for the roster of ${user} again?`, "The application is asked once. What has changed is pushed to the user’s clients.", "Refresh", command("POST", path)))) return;
  const { hosts } = await call("POST", path);
  say(hosts.map(({ updated, errors }) => `${updated} updated, ${errors} failed.`).join(" "));
  await showOne();
}

async function end(user, name) {
  const path = address(`sessions/${encodeURIComponent(user)}`, { domain: domain(), resource: name });
  const what = name ? `End the session ${name} of ${user}?` : `End all sessions of ${user}?`;
  if (!(await sure(what, "The client is told that the operator has ended it. It may log in again.", "End", command("DELETE", path)))) return;
  await call("DELETE", path);
  say(name ? `${name} is ended.` : `The sessions of ${user} are ended.`);
  await Promise.all([showOne(), showUsers()]);
}

/** Asks for every roster of the domain again. */
export async function refreshAll() {
  const path = address("rosters/refresh", { domain: domain() });
  if (!(await sure(`Ask for all rosters of ${domain()} again?`, "The application is asked for each user who is known. With many users that is a lot of requests.", "Refresh all", command("POST", path)))) return;
  const { hosts } = await call("POST", path);
  say(hosts.map(({ updated, errors }) => `${updated} updated, ${errors} failed.`).join(" "));
}
