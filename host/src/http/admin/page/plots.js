// The numbers of /metrics over the last minutes, drawn as lines.
import { duration, el, part } from "./el.js";

const POINTS = 90;
const [WIDTH, HEIGHT] = [300, 72];
const SVG = "http://www.w3.org/2000/svg";
const FINE = new Set(["fetched", "unchanged", "changed", "left"]);

/** Lines `name{label="value"} number` of the OpenMetrics text. */
function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-z_:]+)(?:\{(.*)\})? (\S+)/i.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, value]) => [key, value]));
    if (!samples.has(found[1])) samples.set(found[1], []);
    samples.get(found[1]).push({ labels, value: Number(found[3]) });
  }
  return samples;
}

const sum = (samples, name, fits) => (samples.get(name) ?? []).filter(({ labels }) => fits(labels)).reduce((all, { value }) => all + value, 0);

/** Counts by upper bound, over all label sets that fit. */
function buckets(samples, name, fits) {
  const counts = new Map();
  for (const { labels, value } of samples.get(`${name}_bucket`) ?? []) {
    if (fits(labels)) counts.set(Number(labels.le.replace("+Inf", "Infinity")), (counts.get(Number(labels.le.replace("+Inf", "Infinity"))) ?? 0) + value);
  }
  return counts;
}

/** Within which time so much of what happened between two looks was done, seconds; null if nothing did. */
function quantile(before, after, share) {
  const bounds = [...after.keys()].sort((one, other) => one - other);
  const grown = bounds.map((bound) => after.get(bound) - (before.get(bound) ?? 0));
  const all = grown.at(-1) ?? 0;
  if (all <= 0) return null;
  let [low, under] = [0, 0];
  for (const [at, bound] of bounds.entries()) {
    if (grown[at] >= all * share) {
      if (bound === Infinity) return low;
      return low + (bound - low) * ((all * share - under) / Math.max(grown[at] - under, 1));
    }
    [low, under] = [bound, grown[at]];
  }
  return low;
}

const rate = (value) => (value === null ? "—" : `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1)}/s`);
const time = (value) => (value === null ? "—" : duration(Math.max(1, Math.round(value * 1e6))));
const bytes = (value) => (value === null ? "—" : `${(value / 1048576).toFixed(0)} MiB`);

const PLOTS = [
  { id: "updates", title: "Rosters brought up to date", unit: rate, second: "failed", kind: "k-bad" },
  { id: "latency", title: "Time per roster, median", unit: time, second: "99th percentile", kind: "k-net" },
  { id: "requests", title: "Refresh requests", unit: rate, second: "refused or failed", kind: "k-bad" },
  { id: "memory", title: "Memory of the process", unit: bytes },
];

export class Plots {
  constructor() {
    this.series = new Map(PLOTS.map(({ id }) => [id, [[], []]]));
    this.elements = new Map(PLOTS.map((plot) => [plot.id, this.make(plot)]));
    part("plots").replaceChildren(...[...this.elements.values()].map(({ figure }) => figure));
  }

  make({ title, second, kind }) {
    const [value, other, low, high] = [el("b"), second && el("b"), el("span", { textContent: "3 minutes" }), el("span")];
    const svg = document.createElementNS(SVG, "svg");
    for (const [key, is] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" })) svg.setAttribute(key, is);
    const shapes = ["grid", "area", "series", "series second"].map((name) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", name);
      svg.append(path);
      return path;
    });
    shapes[0].setAttribute("d", `M0 ${HEIGHT}H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}`);
    const caption = el("figcaption", {}, el("span", { textContent: title }), el("span", { className: "row" }, value, other));
    const figure = el("figure", { className: `plot ${kind ?? ""}` }, caption, svg, el("div", { className: "high" }, low, high));
    return { figure, svg, shapes, value, other, high };
  }

  /** One more look at the metrics, of one virtual host. */
  take(text, domain) {
    const now = { at: performance.now(), samples: parse(text), domain };
    const before = this.before;
    this.before = now;
    const memory = (now.samples.get("process_resident_memory_bytes") ?? [])[0]?.value ?? null;
    this.add("memory", memory, null);
    if (!before || before.domain !== domain) return;
    const seconds = (now.at - before.at) / 1000;
    const ours = ({ domain: of }) => of === domain;
    const grown = (name, fits) => Math.max(0, sum(now.samples, name, fits) - sum(before.samples, name, fits)) / seconds;
    const updates = "roster_host_updates_total";
    this.add("updates", grown(updates, ours), grown(updates, (labels) => ours(labels) && !FINE.has(labels.outcome)));
    const of = (look) => buckets(look.samples, "roster_host_update_seconds", ours);
    const [old, fresh] = [of(before), of(now)];
    this.add("latency", quantile(old, fresh, 0.5), quantile(old, fresh, 0.99));
    const refresh = ({ route }) => route.startsWith("/roster_admin");
    const requests = "roster_host_http_requests_total";
    this.add("requests", grown(requests, refresh), grown(requests, (labels) => refresh(labels) && Number(labels.status) >= 400));
  }

  add(id, ...values) {
    const series = this.series.get(id);
    values.forEach((value, at) => {
      series[at].push(value);
      series[at].splice(0, series[at].length - POINTS);
    });
    this.draw(PLOTS.find((plot) => plot.id === id), series);
  }

  draw({ id, title, unit, second }, [first, other]) {
    const { svg, shapes, value, other: otherValue, high } = this.elements.get(id);
    const seen = [...first, ...other].filter((one) => one !== null);
    const most = Math.max(...seen, 0);
    const top = most > 0 ? most * 1.1 : 1;
    const line = (points) => {
      let path = "";
      let pen = "M";
      points.forEach((one, at) => {
        if (one === null) return;
        const x = WIDTH - (points.length - 1 - at) * (WIDTH / (POINTS - 1));
        path += `${pen}${x.toFixed(1)} ${(HEIGHT - (one / top) * HEIGHT).toFixed(1)}`;
        pen = "L";
      });
      return path;
    };
    const path = line(first);
    shapes[2].setAttribute("d", path);
    shapes[3].setAttribute("d", second ? line(other) : "");
    const begin = /^M([\d.]+)/.exec(path)?.[1];
    const end = /([\d.]+) [\d.]+$/.exec(path)?.[1];
    shapes[1].setAttribute("d", begin ? `${path}L${end} ${HEIGHT}L${begin} ${HEIGHT}Z` : "");
    const last = first.at(-1) ?? null;
    value.textContent = unit(last);
    if (second) otherValue.classList.toggle("zero", !((other.at(-1) ?? 0) > 0));
    if (second) otherValue.textContent = `${second} ${unit(other.at(-1) ?? null)}`;
    high.textContent = seen.length ? `highest ${unit(most)}` : "";
    svg.setAttribute("aria-label", `${title}: now ${unit(last)}${second ? `, ${second} ${unit(other.at(-1) ?? null)}` : ""}, highest ${unit(most)} in three minutes`);
  }
}
