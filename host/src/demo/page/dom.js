// Small words for making elements, and what every part of the page shares.

/** An element: `set` has properties, `data` and `aria` beside them; what follows goes into it. */
export function el(name, set = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(set)) {
    if (value === undefined || value === null) continue;
    if (key === "data") Object.assign(made.dataset, value);
    else if (key === "aria") for (const [of, is] of Object.entries(value)) made.setAttribute(`aria-${of}`, is);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...inside.filter((one) => one !== undefined && one !== null && one !== false));
  return made;
}

/** A part of the page that is always there. */
export const part = (id) => document.getElementById(id);

/** 84 µs, 1.9 ms, 2.3 s */
export function duration(micros) {
  if (micros === null || micros === undefined) return "";
  if (micros < 1000) return `${micros} µs`;
  if (micros < 1_000_000) return `${(micros / 1000).toFixed(micros < 10_000 ? 1 : 0)} ms`;
  return `${(micros / 1_000_000).toFixed(1)} s`;
}

export const capital = (name) => name.slice(0, 1).toUpperCase() + name.slice(1);

/** Tells who cannot see what happens. */
let telling;
export function say(text) {
  clearTimeout(telling);
  telling = setTimeout(() => (part("live").textContent = text), 150);
}

const strips = new Map();
for (const strip of document.querySelectorAll("[data-strip]")) {
  const code = el("code", { tabIndex: 0, textContent: strip.dataset.strip === "app" ? "curl …" : "roster-host plugin status" });
  const copy = el("button", { type: "button", textContent: "Copy" });
  copy.setAttribute("aria-label", "Copy the command");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      copy.textContent = "Copied";
      say("The command is copied.");
    } catch {
      getSelection().selectAllChildren(code);
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  strip.append(code, copy);
  strips.set(strip.dataset.strip, code);
}

/** Shows the command that does the same. */
export function showCommand(strip, command) {
  strips.get(strip).textContent = command;
}

/** A button that does `work` and shows the command that does the same, also before it is pressed. */
export function button(text, { strip, command, work, ...set }) {
  const made = el("button", { type: "button", ...set }, text);
  const show = () => showCommand(strip, command());
  if (command) for (const event of ["pointerenter", "focus"]) made.addEventListener(event, show);
  made.addEventListener("click", () => {
    if (command) show();
    work(made);
  });
  return made;
}

/** Asks the demo's application. What it answers, also if it refuses; `null` if it does not answer. */
export async function ask(method, path, body) {
  try {
    const json = body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(path, { method, ...json });
    const text = await answer.text();
    try {
      return { status: answer.status, ...(text ? JSON.parse(text) : {}) };
    } catch {
      return { status: answer.status, message: text.trim() };
    }
  } catch {
    return null;
  }
}
