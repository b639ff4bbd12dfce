// The page of roster-host's demo: puts its parts together and listens to what happens.
import { ask, part } from "./dom.js";
import { Client } from "./client.js";
import { prepareAgain, refreshPeople, showPeople } from "./people.js";
import { plugInAgain, preparePlugin } from "./plugin.js";
import { happened } from "./timeline.js";

const WAIT = 1000;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function state() {
  for (;;) {
    const found = await ask("GET", "/demo/state");
    if (found?.host) return found;
    await pause(WAIT);
  }
}

function health(up) {
  part("health").className = up ? "health up" : "health down";
  part("health").textContent = up ? "The host is up" : "The demo has stopped";
}

const first = await state();
showPeople(first);
prepareAgain();
preparePlugin(first);
const clients = first.clients.map((user) => new Client(user, { ...first, websocket: first.host.websocket }));
part("clients").append(...clients.map((client) => client.element));
addEventListener("pagehide", () => clients.forEach((client) => client.leave()));

let stopped = false;
const events = new EventSource("/demo/events");
events.onopen = async () => {
  health(true);
  if (stopped) {
    const fresh = await state();
    showPeople(fresh);
    plugInAgain(fresh);
  }
  stopped = false;
};
events.onerror = () => {
  stopped = true;
  health(false);
};
events.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.kind === "people") refreshPeople();
  else happened(event);
};
