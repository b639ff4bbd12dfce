// The plugin of a virtual host, what was swapped, and the way back; attached servers and other nodes; the log.
import { address, call, command, domain, sure } from "./api.js";
import { age, duration, el, part, redraw, say, table, when } from "./words.js";

const short = (digest) => digest.slice(0, 12);
const SHOWN = 10;

export async function showPlugin() {
  const status = await call("GET", address("plugin", { domain: domain() }));
  const { serves, figures, stands_in: standsIn, canary, kept, history } = status;
  const facts = [
    ["generation", serves.generation],
    ["SHA-256", el("code", { textContent: short(serves.digest) })],
    ["version", serves.version ?? "—"],
    ["calls", `${figures.calls}, ${figures.traps} trapped, ${figures.timeouts} too slow, ${figures.application_errors} in which the application failed`],
    ["99th percentile", figures.p99_seconds === null ? "—" : `within ${duration(Math.round(figures.p99_seconds * 1e6))}`],
  ];
  const watched = canary && [
    el("label", { htmlFor: "canary", className: "plain", textContent: `New: ${canary.calls} of ${canary.most_calls} calls watched, ${canary.failures} failed (${canary.most_failures} may)` }),
    el("progress", { id: "canary", max: canary.most_calls, value: canary.calls }),
  ];
  const generations = kept.map((one) => [
    { num: one.generation },
    one.name,
    el("code", { textContent: short(one.digest) }),
    { num: one.figures.calls },
    { act: back(one) },
  ]);
  const receipts = history.slice(0, SHOWN).map(receipt);
  const parts = [
    el("p", { className: "big", textContent: serves.name }),
    standsIn ? el("p", { className: "bad", textContent: `The last good plugin stands in: ${standsIn}` }) : "",
    el("dl", { className: "facts" }, ...facts.flatMap(([of, is]) => [el("dt", { textContent: of }), el("dd", {}, is)])),
    ...(watched ?? []),
    table("Kept ready", [{ num: "generation" }, "Plugin", "SHA-256", { num: "calls" }, { num: "" }], generations, "No generation before this one."),
    el("h3", { textContent: "Receipts of swaps" }),
    receipts.length ? el("ol", { className: "lines" }, ...receipts) : el("p", { className: "plain", textContent: "Nothing has been swapped since the start." }),
  ];
  redraw("plugin", parts);
}

function receipt(one) {
  const { at, outcome, trigger, step, reason, old, new: fresh } = one;
  const tag = { swapped: "good", unchanged: "", refused: "tag error", "rolled-back": "tag warn" }[outcome];
  const from = `${old.name} ${short(old.digest)}`;
  const to = fresh ? ` → ${fresh.name} ${short(fresh.digest)}` : "";
  const facts = [
    one.compile_ms !== undefined && `compiled in ${one.compile_ms} ms`,
    one.took_over_ms !== undefined && `took over after ${one.took_over_ms} ms`,
    one.drain_ms !== undefined && `drained in ${one.drain_ms} ms`,
    one.shadow && `${one.shadow.calls} real calls made again`,
  ].filter(Boolean);
  return el(
    "li",
    {},
    el("span", { className: "when", textContent: when(at) }),
    el("span", { className: `tag ${tag}`, textContent: outcome }),
    el("span", { textContent: `by ${trigger}${outcome === "refused" ? ` at ${step}` : ""}: ${from}${to}${facts.length ? `; ${facts.join(", ")}` : ""}` }),
    reason ? el("div", { className: "plain", textContent: reason }) : "",
  );
}

function back({ generation, name }) {
  const made = el("button", { type: "button", textContent: "Roll back", data: { id: `back-${generation}` }, ariaLabel: `Roll back to generation ${generation}` });
  made.addEventListener("click", async () => {
    const path = address("plugin/rollback", { domain: domain(), to: generation });
    if (!(await sure(`Put generation ${generation} back?`, `Calls that begin go to ${name} then. Rosters and sessions stay as they are.`, "Roll back", command("POST", path)))) return;
    await swapped(path);
  });
  return made;
}

/** Reads the configured plugin again. */
export async function reload() {
  const path = address("plugin/reload", { domain: domain() });
  if (!(await sure("Read the configured plugin again?", "If it is another one, it is compiled, checked and rehearsed, and takes over if nothing is wrong with it.", "Read it again", command("POST", path)))) return;
  await swapped(path);
}

async function swapped(path) {
  try {
    const { outcome, reason } = await call("POST", path);
    say(`${outcome}. ${reason ?? ""}`);
  } catch (error) {
    say(error.message);
  }
  await showPlugin();
}

export async function showAttached() {
  const { nodes } = await call("GET", "attach");
  const rows = nodes.map(({ node, domain: of, live, users, seq, ack, lag, last_sync_seconds: sync }) => [
    node,
    of,
    el("span", { className: live ? "good" : "bad", textContent: live ? "connected" : "not there" }),
    { num: users },
    { num: `${ack} of ${seq}, ${lag} behind` },
    { num: sync === null || sync === undefined ? "never" : `${age(sync)} ago` },
  ]);
  part("attach").replaceChildren(table("Prosody, ejabberd and others", ["Server", "Domain", "Stream", { num: "users" }, { num: "events acknowledged" }, { num: "last sync" }], rows, "None is configured."));
}

/** Whatever a node says of itself is a column. */
export async function showCluster() {
  const answer = await call("GET", "cluster");
  const nodes = answer.nodes ?? [];
  part("cluster-panel").hidden = nodes.length === 0;
  const plain = (value) => (value === null || value === undefined ? "—" : typeof value === "object" ? JSON.stringify(value) : String(value));
  const columns = [...new Set(nodes.flatMap((node) => Object.keys(node)))];
  const facts = Object.entries(answer).filter(([key]) => key !== "nodes");
  part("cluster").replaceChildren(
    el("dl", { className: "facts" }, ...facts.flatMap(([of, is]) => [el("dt", { textContent: of.replaceAll("_", " ") }), el("dd", { textContent: plain(is) })])),
    table("Nodes", columns.map((name) => name.replaceAll("_", " ")), nodes.map((node) => columns.map((name) => plain(node[name]))), "None."),
  );
}

export async function showErrors() {
  const { errors } = await call("GET", "errors");
  const lines = errors.slice(0, 50).map(({ at, level, target, text }) =>
    el("li", {}, el("span", { className: "when", textContent: when(at) }), el("span", { className: `tag ${level}`, textContent: level }), el("span", { textContent: text }), el("div", { className: "plain", textContent: target })),
  );
  part("errors").replaceChildren(...(lines.length ? lines : [el("li", { className: "plain", textContent: "None since the start." })]));
}
