// The operator's page: what the admin listener says, looked at every two seconds while the page is seen.
import { call, domain, token } from "./api.js";
import { Plots } from "./plots.js";
import { reload, showAttached, showCluster, showErrors, showPlugin } from "./plugins.js";
import { beginAgain, lookUp, refreshAll, showOne, showUsers } from "./users.js";
import { el, part, say } from "./words.js";

const LOOK = 2000;

const plots = new Plots();

function health(text, good) {
  part("health").className = `health ${good ? "up" : "down"}`;
  // Only what is new is told to those who listen.
  if (part("health").textContent !== text) part("health").textContent = text;
}

async function showHosts() {
  const { hosts } = await call("GET", "rosters");
  const select = part("domain");
  if (select.options.length !== hosts.length) {
    const chosen = select.value;
    select.replaceChildren(...hosts.map((host) => el("option", { value: host.domain, textContent: host.domain })));
    if (chosen) select.value = chosen;
  }
  const { online, awaiting_retry: waiting, cached, bytes } = hosts.find((host) => host.domain === domain()) ?? hosts[0];
  const tiles = [
    ["Users online", online.toLocaleString("en")],
    ["Rosters kept", cached.toLocaleString("en")],
    ["Waiting for a roster", waiting.toLocaleString("en"), waiting > 0],
    ["Memory of rosters", bytes < 1_048_576 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`],
  ];
  part("tiles").replaceChildren(...tiles.map(([of, is, bad]) => el("div", { className: bad ? "bad" : "" }, el("dt", { textContent: of }), el("dd", { textContent: is }))));
}

async function showNumbers() {
  const text = await call("GET", "metrics");
  const version = /roster_host_build_info\{[^}]*version="([^"]*)"/.exec(text)?.[1];
  if (version) part("version").textContent = `operator, version ${version}`;
  plots.take(text, domain());
}

async function look() {
  try {
    await showHosts();
    part("main").hidden = false;
    await Promise.all([showNumbers(), showUsers(), showOne(), showPlugin(), showAttached(), showCluster(), showErrors()]);
    const ready = await fetch("readyz").then((answer) => answer.json());
    health(ready.last_good_plugin_stands_in ? "Ready, with the last good plugin" : ready.status === "ok" ? "Ready" : `Not ready: ${ready.status}`, ready.status === "ok");
  } catch (error) {
    health(error instanceof TypeError ? "The host does not answer" : error.message, false);
  }
}

part("look-up").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp(part("who").value.trim().toLowerCase());
});
part("domain").addEventListener("change", () => {
  beginAgain();
  look();
});
part("refresh-all").addEventListener("click", () => refreshAll().catch((error) => say(error.message)));
part("reload").addEventListener("click", () => reload().catch((error) => say(error.message)));
part("forget").hidden = !token.get();
part("forget").addEventListener("click", () => {
  token.forget();
  location.reload();
});

for (;;) {
  if (!document.hidden) await look();
  await new Promise((resolve) => setTimeout(resolve, LOOK));
}
