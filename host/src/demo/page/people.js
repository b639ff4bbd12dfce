// The application's people: who is on whose list, their names, and what the application serves of that.
import { ask, button, capital, draw, el, part, say, showCommand } from "./dom.js";

const MOST = 30;
let state;
let shown = "john";
let renaming = null;
let before = "";

const origin = location.origin;
const name = (user) => state.people.find((one) => one.user === user)?.name ?? user;

/** What has changed is fetched anew. */
export async function refreshPeople() {
  const fresh = await ask("GET", "/demo/state");
  if (fresh?.people) showPeople(fresh);
}

export function showPeople(fresh) {
  state = fresh;
  part("app-address").replaceChildren(el("code", { textContent: origin }));
  // Whoever is typing a name is not interrupted.
  draw("people", () => renaming || showLines());
  showServed();
}

function showLines() {
  const focused = document.activeElement?.dataset?.id;
  const heads = [el("span", { className: "sr", textContent: "Person" }), ...state.clients.map((user) => el("span", { className: "head", textContent: `${name(user)}’s friends` }))];
  const head = el("div", { className: "line first" }, el("span", { className: "head" }), ...heads.slice(1));
  const lines = state.people.slice(0, MOST).map(line);
  part("people").replaceChildren(head, ...lines);
  if (focused) part("people").querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

function line(person) {
  const toggles = renaming === person.user ? [] : state.clients.map((owner) => toggle(owner, person));
  return el("div", { className: "line" }, who(person), ...toggles);
}

function who(person) {
  const avatar = el("span", { className: "avatar", textContent: person.name.slice(0, 1), aria: { hidden: "true" } });
  if (renaming === person.user) return el("div", { className: "person renamed" }, avatar, renameForm(person));
  const command = () => `curl -X PUT ${origin}/names/${person.user}/${encodeURIComponent(`${person.name} B.`)}`;
  const rename = button("Rename", {
    strip: "app",
    command,
    className: "quiet rename",
    ariaLabel: `Rename ${person.name}`,
    data: { id: `rename-${person.user}` },
    work: () => {
      renaming = person.user;
      showLines();
      part("people").querySelector("input")?.select();
    },
  });
  return el("div", { className: "person" }, avatar, el("div", { className: "who" }, el("b", { textContent: person.name }), rename));
}

function renameForm(person) {
  const input = el("input", { value: person.name, maxLength: 40, ariaLabel: `New name of ${person.name}`, autocomplete: "off" });
  const cancel = el("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const form = el("form", {}, input, el("button", { className: "primary", textContent: "Save" }), cancel);
  const close = () => {
    renaming = null;
    showLines();
    part("people").querySelector(`[data-id="rename-${CSS.escape(person.user)}"]`)?.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    if (wanted && wanted !== person.name) {
      const path = `/names/${encodeURIComponent(person.user)}/${encodeURIComponent(wanted)}`;
      showCommand("app", `curl -X PUT ${origin}${path}`);
      ask("PUT", path);
      person.name = wanted;
    }
    close();
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  cancel.addEventListener("click", close);
  return form;
}

function toggle(owner, person) {
  if (owner === person.user) return el("span", { className: "self", textContent: "—", aria: { hidden: "true" } });
  const friends = person.friends.includes(owner);
  const path = `/friends/${encodeURIComponent(owner)}/${encodeURIComponent(person.user)}`;
  const method = friends ? "DELETE" : "PUT";
  return button(friends ? "Unfriend" : "Befriend", {
    strip: "app",
    command: () => `curl -X ${method} ${origin}${path}`,
    className: friends ? "toggle mild" : "toggle primary",
    ariaLabel: `${friends ? "Unfriend" : "Befriend"} ${name(owner)} and ${person.name}`,
    data: { id: `toggle-${owner}-${person.user}` },
    work: async (made) => {
      made.disabled = true;
      const answer = await ask(method, path);
      if (answer?.status !== 200) say(answer?.message ?? "The demo does not answer.");
      await refreshPeople();
      part("people").querySelector(`[data-id="toggle-${CSS.escape(owner)}-${CSS.escape(person.user)}"]`)?.focus();
    },
  });
}

/** `GET /contacts/john`, as the host gets it. */
async function showServed() {
  const tabs = state.clients.map((user) =>
    button(capital(user), {
      strip: "app",
      command: () => `curl ${origin}/contacts/${user}`,
      className: user === shown ? "on" : "",
      aria: { pressed: String(user === shown) },
      work: () => {
        shown = user;
        before = "";
        showServed();
      },
    }),
  );
  draw("tabs", () => {
    const focused = document.activeElement?.parentElement?.id === "json-tabs" ? [...part("json-tabs").children].indexOf(document.activeElement) : -1;
    part("json-tabs").replaceChildren(...tabs);
    tabs[focused]?.focus();
  });
  if (state.outage === "http-roster-admin") {
    part("json").textContent = `GET /contacts/${shown} is out of order: it answers 500.`;
    return;
  }
  try {
    const served = await (await fetch(`/contacts/${shown}`)).json();
    const lines = JSON.stringify(served, null, 2).split("\n");
    const known = new Set(before.split("\n"));
    part("json").replaceChildren(
      el("span", { className: "key", textContent: `GET /contacts/${shown}\n` }),
      ...lines.map((text) => el("span", { className: before && !known.has(text) ? "new" : "", textContent: `${text}\n` })),
    );
    before = lines.join("\n");
  } catch {
    part("json").textContent = "The application does not answer.";
  }
}

/** The button that says what nobody has changed. */
export function prepareAgain() {
  const again = part("again");
  const command = () => `curl -d '["john","marie"]' ${state.host?.refresh ?? ""}`;
  for (const event of ["pointerenter", "focus"]) again.addEventListener(event, () => state && showCommand("app", command()));
  again.addEventListener("click", () => {
    showCommand("app", command());
    ask("POST", "/demo/refresh", state.clients);
  });
}
