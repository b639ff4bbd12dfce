// What every part of the demo's page shares: commands to copy, and requests.
import { el, say } from "./el.js";

export * from "./el.js";

const strips = new Map();
for (const strip of document.querySelectorAll("[data-strip]")) {
  const code = el("code", { tabIndex: 0, className: "none", textContent: "Point at a button: its command is shown here." });
  const copy = el("button", { type: "button", textContent: "Copy", disabled: true });
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
  strips.set(strip.dataset.strip, { code, copy });
}

/** Shows the command that does the same. */
export function showCommand(strip, command) {
  const { code, copy } = strips.get(strip);
  code.textContent = command;
  code.className = "";
  copy.disabled = false;
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
