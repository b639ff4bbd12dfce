// Small words of the operator's page.
import { draw, el, part } from "./el.js";

export * from "./el.js";

/** 4 s, 3 min, 2 h, 5 d */
export function age(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Draws a part that has buttons anew, once none is pressed. The button that had the focus keeps it. */
export function redraw(id, parts) {
  draw(id, () => {
    const focused = part(id).contains(document.activeElement) ? document.activeElement.dataset.id : null;
    part(id).replaceChildren(...parts);
    if (focused) [...part(id).querySelectorAll("button")].find((one) => one.dataset.id === focused)?.focus();
  });
}

/** A table; a cell is text, an element, or one of these as `{num}` or `{act}`. */
export function table(title, heads, rows, none) {
  if (!rows.length) return el("div", {}, el("h3", { textContent: title }), el("p", { className: "plain", textContent: none }));
  const cell = (name, content, of) => {
    const [[kind, inside]] = content?.num !== undefined || content?.act !== undefined ? Object.entries(content) : [["", content]];
    return el(name, { className: kind, ...(name === "th" ? { scope: "col" } : {}), data: of ? { of } : {} }, inside ?? "");
  };
  const head = el("tr", {}, ...heads.map((one) => cell((one.num ?? one) === "" ? "td" : "th", one)));
  const body = rows.map((row) => el("tr", {}, ...row.map((one, at) => cell("td", one, heads[at].num ?? heads[at]))));
  return el("div", { className: "scroll" }, el("table", {}, el("caption", { textContent: title }), el("thead", {}, head), el("tbody", {}, ...body)));
}

/** Seconds since 1970 as a time of day, with the day if it was another. */
export function when(seconds) {
  const at = new Date(seconds * 1000);
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${at.toISOString().slice(0, 10)} ${time}`;
}
