// Small words for making elements, and what every part of every page shares.

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

let isPressed = false;
const later = new Map();
const press = (is) => (event) => {
  if (event.key === undefined || [" ", "Enter"].includes(event.key)) isPressed = is;
  // After the click that it may be.
  if (!is) setTimeout(() => [...later].forEach(([of, work]) => isPressed || (later.delete(of), work())));
};
for (const event of ["pointerdown", "keydown"]) addEventListener(event, press(true), true);
for (const event of ["pointerup", "pointercancel", "keyup"]) addEventListener(event, press(false), true);
addEventListener("blur", press(false));

/** Draws a part anew: now, or when nothing is pressed any more, for a button that is replaced while it is pressed is never clicked. */
export function draw(of, work) {
  if (isPressed) later.set(of, work);
  else work();
}

/** 84 µs, 1.9 ms, 2.3 s */
export function duration(micros) {
  if (micros === null || micros === undefined) return "";
  if (micros < 1000) return `${micros} µs`;
  if (micros < 1_000_000) return `${(micros / 1000).toFixed(micros < 10_000 ? 1 : 0)} ms`;
  return `${(micros / 1_000_000).toFixed(1)} s`;
}

/** 1 contact, 2 contacts */
export const counted = (many, one) => `${many} ${one}${many === 1 ? "" : "s"}`;

export const capital = (name) => name.slice(0, 1).toUpperCase() + name.slice(1);

/** Tells who cannot see what happens. */
let telling;
export function say(text) {
  clearTimeout(telling);
  telling = setTimeout(() => (part("live").textContent = text), 150);
}
