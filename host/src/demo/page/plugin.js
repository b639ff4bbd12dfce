// The plugin: what serves, another in its place, a broken one, and the way back.
import { ask, button, draw, duration, el, part, say } from "./dom.js";

const LOOK = 1000;
const LOOK_OFTEN = 250;
const SHOWN = 5;

let about;
let status = null;
/** The button whose work is being done. */
let busy = null;
let mend = null;

const short = (digest) => `${digest.slice(0, 12)}…`;
const nameOf = (module) => about.plugins.find((one) => one.digest === module.digest)?.name ?? module.name;
const other = () => about.plugins.find((one) => one.digest !== status?.serves.digest) ?? about.plugins[0];
const upload = (admin) => `curl -X PUT -H 'Authorization: Bearer ${about.host.token}' --data-binary @- ${admin}/plugin`;
const send = (plugin, between = "") => `curl -s ${location.origin}/plugins/${plugin.name}.wasm | ${between}${upload(about.host.admin)}`;

/** Shows the plugin from now on. */
export function preparePlugin(state) {
  about = state;
  look();
}

/** The host was started anew: it has another token. */
export function plugInAgain(state) {
  about = state;
}

async function look() {
  const found = await ask("GET", "/demo/plugin");
  if (found?.serves) {
    const changed = JSON.stringify(found) !== JSON.stringify(status);
    status = found;
    if (changed) draw("plugin", show);
    if (status.is_canary) ask("POST", "/demo/refresh?canary=true", about.clients);
    else if (mend && !busy) {
      // The API is in order again as soon as nobody needs it broken.
      ask("DELETE", `/outages/${mend}`);
      mend = null;
    }
  }
  setTimeout(look, status?.is_canary ? LOOK_OFTEN : LOOK);
}

function show() {
  const { serves, figures, canary } = status;
  const rows = [
    ["generation", serves.generation],
    ["SHA-256", short(serves.digest)],
    ["interface", serves.interface ?? "—"],
    ["calls", `${figures.calls}, ${figures.traps} trapped`],
    ["99th percentile", figures.p99_seconds === null ? "—" : `within ${duration(Math.round(figures.p99_seconds * 1e6))}`],
  ];
  part("serving").replaceChildren(
    el("h3", { textContent: "Serves now" }),
    el("p", { className: "big", textContent: nameOf(serves), id: "serves" }),
    el("dl", {}, ...rows.flatMap(([of, is]) => [el("dt", { textContent: of }), el("dd", { textContent: is })])),
    canaryProgress(canary),
  );
  showActions();
  const receipts = status.history.slice(0, SHOWN).map(receipt);
  part("receipts").replaceChildren(...(receipts.length ? receipts : [el("li", { className: "receipt" }, el("p", { textContent: "Nothing has been swapped yet." }))]));
}

function canaryProgress(canary) {
  if (!canary) return el("p", { className: "canary", textContent: "Settled: its first calls are behind it." });
  const { calls, most_calls, failures, most_failures } = canary;
  return el(
    "div",
    { className: "canary" },
    el("label", { htmlFor: "canary", textContent: `Canary: ${calls} of ${most_calls} calls watched, ${failures} failed (${most_failures} may)` }),
    el("progress", { id: "canary", max: most_calls, value: calls }),
  );
}

function receipt({ outcome, trigger, step, reason, old, new: fresh, compile_ms, took_over_ms, shadow }) {
  const kind = { swapped: "k-delta", unchanged: "", refused: "k-bad", "rolled-back": "k-net" }[outcome];
  const title = {
    swapped: trigger === "rollback" ? "Rolled back by hand" : "Swapped",
    unchanged: "Unchanged: it serves already",
    refused: `Refused at “${step}”`,
    "rolled-back": "Rolled back by itself",
  }[outcome];
  const facts = [
    fresh && `${nameOf(old)} → ${nameOf(fresh)}`,
    compile_ms !== undefined && `compiled in ${compile_ms} ms`,
    shadow?.calls !== undefined && `${shadow.calls} real calls made again`,
    took_over_ms !== undefined && `took over after ${took_over_ms} ms`,
  ].filter(Boolean);
  return el(
    "li",
    { className: `receipt ${kind}` },
    el("b", { textContent: title }),
    el("p", { textContent: outcome === "refused" || outcome === "rolled-back" ? (reason ?? "").replaceAll("(uploaded)", nameOf(outcome === "refused" ? (fresh ?? old) : old)) : facts.join(", ") }),
  );
}

function showActions() {
  const target = other();
  const focused = document.activeElement?.dataset?.id;
  const before = status.kept[0];
  const all = [
    [`Swap to ${target.name}`, "Compiled, checked and rehearsed first; then calls that begin go to it.", {
      id: "swap",
      className: "primary",
      command: () => send(target),
      work: () => act("swap", () => ask("POST", `/demo/plugin/swap?to=${target.name}`)),
    }],
    ["Break it: send half of it", "An upload that was cut off. It never gets near a call.", {
      id: "damaged",
      className: "danger",
      command: () => send(target, "head -c 100000 | "),
      work: () => act("damaged", () => ask("POST", `/demo/plugin/damaged?to=${target.name}`)),
    }],
    ["Break it: let it fail in use", `The application’s ${target.api} answers 500, then ${target.name} takes over: its first calls fail, the old plugin makes them again, and is put back.`, {
      id: "failing",
      className: "danger",
      command: () => `curl -X PUT ${location.origin}/outages/${target.name}; ${send(target)}`,
      work: () =>
        act("failing", async () => {
          await ask("PUT", `/outages/${target.name}`);
          mend = target.name;
          return ask("POST", `/demo/plugin/swap?to=${target.name}`);
        }),
    }],
    ["Roll back", before ? `To generation ${before.generation}, ${nameOf(before)}, which is kept ready.` : "There is no generation before this one yet.", {
      id: "rollback",
      disabled: !before,
      command: () => `curl -X POST ${about.host.admin}/plugin/rollback`,
      work: () => act("rollback", () => ask("POST", "/demo/plugin/rollback")),
    }],
  ];
  part("actions").replaceChildren(
    ...all.map(([text, what, { id, disabled = false, ...set }]) =>
      el("div", { className: "action" }, button(busy === id ? "Working…" : text, { strip: "plugin", data: { id }, disabled: disabled || busy !== null, aria: { describedby: `what-${id}`, busy: String(busy === id) }, ...set }), el("p", { id: `what-${id}`, textContent: what })),
    ),
  );
  if (focused) part("actions").querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
}

async function act(id, work) {
  busy = id;
  showActions();
  const receipt = await work();
  busy = null;
  showActions();
  part("actions").querySelector(`[data-id="${id}"]`)?.focus();
  if (!receipt) say("The demo does not answer.");
  else say(receipt.outcome ? `${receipt.outcome}. ${receipt.reason ?? ""}` : (receipt.message ?? ""));
}
