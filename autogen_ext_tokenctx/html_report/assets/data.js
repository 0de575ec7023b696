// The numbers of the page, and what the filter leaves of them.

const data = JSON.parse(document.getElementById("numbers").textContent);
const LEVELS = data.levels;
const ALL = "all";
const filter = { hook: "calls", team: ALL, agent: ALL };

const number = (value) => Math.round(value).toLocaleString("en-US");
const percent = (value) => (Number.isFinite(value) ? `${Math.round(value * 100)}%` : "–");
const time = (seconds) =>
  new Date(seconds * 1000).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
const teamName = (team) => team || "(no team)";

// Every text goes through here, and only ever as text.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null).map((child) => child?.nodeType ? child : String(child)));
  return made;
}

const passes = (one, hook) =>
  hook === filter.hook && [ALL, one.team].includes(filter.team) && [ALL, one.agent].includes(filter.agent);
const selectedSeries = () => data.series.filter((series) => passes(series, series.hook));

function emptyBin(place) {
  const sums = { place, at: Infinity, categories: data.categories.map(() => [0, 0]) };
  for (const field of data.fields) sums[field] = 0;
  return sums;
}

function addRow(sums, row) {
  data.fields.forEach((field, i) => {
    sums[field] = field === "peak" ? Math.max(sums.peak, row[i + 1]) : sums[field] + row[i + 1];
  });
  sums.at = Math.min(sums.at, row[data.fields.length + 1]);
  for (const [category, before, after] of row[data.fields.length + 2]) {
    sums.categories[category][0] += before;
    sums.categories[category][1] += after;
  }
}

// The bins of several series as those of one, in their order.
function binsOf(list) {
  const bins = new Map();
  for (const series of list) {
    for (const row of series.rows) {
      const place = Math.floor(row[0] / data.bin_width);
      if (!bins.has(place)) bins.set(place, emptyBin(place));
      addRow(bins.get(place), row);
    }
  }
  return [...bins.values()].sort((a, b) => a.place - b.place);
}

function totalOf(list) {
  const total = emptyBin(0);
  for (const series of list) for (const row of series.rows) addRow(total, row);
  return total;
}

function byAgent(list) {
  const agents = new Map();
  for (const series of list) agents.set(series.agent, [...(agents.get(series.agent) ?? []), series]);
  return [...agents]
    .map(([agent, of]) => ({ agent, series: of, total: totalOf(of) }))
    .sort((a, b) => b.total.calls - a.total.calls || (a.agent < b.agent ? -1 : 1));
}

const firstCall = (bin) => bin.place * data.bin_width + 1;
const lastCall = (bin) => Math.min(data.calls, (bin.place + 1) * data.bin_width);
const middle = (bin) => (firstCall(bin) + lastCall(bin)) / 2;
const callsOfBin = (bin) =>
  data.bin_width === 1
    ? `Call ${number(firstCall(bin))}`
    : `Calls ${number(firstCall(bin))}–${number(lastCall(bin))}`;

// A call that can be looked at, as the hook of the filter saw it; null when it is filtered out.
function seen(call) {
  if (!passes(call, filter.hook)) return null;
  if (filter.hook === "calls" || call.fits.every((fit) => fit.hook === filter.hook)) return call;
  const fit = call.fits.find((one) => one.hook === filter.hook);
  if (!fit) return null;
  const room = Math.max(0, fit.budget - fit.reserve);
  return {
    ...call,
    before: fit.tokens_before,
    after: fit.tokens_after,
    budget: room,
    cached: Math.min(fit.cached_tokens, fit.tokens_after),
    level: LEVELS.indexOf(fit.level),
    was_over: fit.tokens_before > room,
    pressure: fit.tokens_before / Math.max(1, room),
    compacted: fit.compacted,
  };
}
