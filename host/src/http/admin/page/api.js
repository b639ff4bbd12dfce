// Requests to the admin listener, with the token of this tab.
import { part } from "./el.js";

const KEY = "roster-host-token";

/** What the listener has answered and is no success. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(KEY),
  forget: () => sessionStorage.removeItem(KEY),
};

/** Which virtual host is looked at. */
export const domain = () => part("domain").value;

/** `path` with this query; what is undefined is left out. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** The same as a command. */
export function command(method, path) {
  const authorization = token.get() ? " -H 'Authorization: Bearer ...'" : "";
  return `curl${method === "GET" ? "" : ` -X ${method}`}${authorization} '${new URL(path, document.baseURI)}'`;
}

/** The answer to a request, JSON or text. Asks for the token if one is needed. */
export async function call(method, path) {
  const sent = token.get();
  const headers = sent ? { Authorization: `Bearer ${sent}` } : {};
  const answer = await fetch(path, { method, headers, cache: "no-store" });
  if (answer.status === 401) {
    await askForToken(sent);
    return call(method, path);
  }
  const json = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
  const content = json ? await answer.json() : await answer.text();
  // A swap that was refused has a receipt as any other.
  if (!answer.ok && !(json && content.outcome)) throw new Refused(answer.status, content.message ?? `status ${answer.status}`);
  return content;
}

let asking = null;

/** Asks once, however many requests want it. */
function askForToken(wrong) {
  if (token.get() !== wrong) return Promise.resolve();
  asking ??= new Promise((done) => {
    const dialog = part("token");
    if (wrong) part("token-why").textContent = "The host does not take that token. It is admin.token in its configuration.";
    dialog.showModal();
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    part("token-form").addEventListener(
      "submit",
      () => {
        sessionStorage.setItem(KEY, part("token-input").value.trim());
        part("token-input").value = "";
        part("forget").hidden = false;
        asking = null;
        done();
      },
      { once: true },
    );
  });
  return asking;
}

/** Lets the operator think again. True if it is to be done. */
export function sure(title, text, yes, curl) {
  part("sure-title").textContent = title;
  part("sure-text").textContent = text;
  part("sure-command").textContent = `$ ${curl}`;
  part("sure-yes").textContent = yes;
  const dialog = part("sure");
  dialog.returnValue = "no";
  dialog.showModal();
  part("sure-no").focus();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}
