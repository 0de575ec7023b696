// The filter, the totals, the tables of agents and calls, and what happens when.

const PAGE = 25;
const byId = (id) => document.getElementById(id);
let shownCalls = PAGE;

const ORDERS = {
  newest: ["Newest first", (a, b) => b.number - a.number],
  pressure: ["Most over the budget first", (a, b) => b.pressure - a.pressure],
  saved: ["Most tokens left out first", (a, b) => b.before - b.after - (a.before - a.after)],
};

function announce(text) {
  byId("status").textContent = text;
}

function choice(label, name, options) {
  const select = element("select", { name, onchange: (event) => {
    filter[name] = event.target.value === ALL ? ALL : options[Number(event.target.value)][0];
    shownCalls = PAGE;
    draw();
    const total = totalOf(selectedSeries());
    announce(`${plural(total.calls, "call")} shown.`);
  } });
  options.forEach(([value, text], i) => select.append(element("option", { value: value === ALL ? ALL : i }, text)));
  return element("label", {}, element("span", {}, label), select);
}

function drawFilters() {
  const all = data.series.filter((series) => series.hook === "calls");
  const names = (field) => [...new Set(all.map((series) => series[field]))].sort();
  const hooks = new Set(data.series.map((series) => series.hook));
  const form = byId("filters");
  const agents = names("agent");
  const teams = names("team");
  form.append(
    choice("Agent", "agent", [[ALL, data.agents === 1 ? "The only agent" : `All ${number(data.agents)} agents`], ...(agents.length === 1 ? [] : agents.map((name) => [name, short(name, 60)]))]),
    choice("Team", "team", [[ALL, teams.length === 1 ? "The only team" : `All ${number(data.teams)} teams`],
      ...(teams.length === 1 ? [] : teams.map((name) => [name, short(teamName(name), 60)]))]),
    choice("Hook", "hook", hooks.size === 1
      ? [["calls", "The only hook"]]
      : [["calls", "Both, as one call"], ["context", "Model context alone"], ["client", "Model client alone"]]),
    element("button", { type: "button", onclick: () => {
      form.reset();
      Object.assign(filter, { hook: "calls", team: ALL, agent: ALL });
      shownCalls = PAGE;
      draw();
      announce("Filter cleared.");
    } }, "Clear"),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
}

function drawTotals(total) {
  const saved = total.before - total.after;
  const cards = [
    ["Calls", number(total.calls), plural(total.compactions, "compaction")],
    ["Tokens left out", number(saved), `${percent(share(saved, total.before))} of ${number(total.before)}`],
    ["Tokens sent", number(total.after), `${number(total.calls ? total.after / total.calls : 0)} per call`],
    ["Would have been over budget", number(total.over), `${percent(share(total.over, total.calls))} of calls`],
    ["Sent over budget", number(total.sent_over), total.sent_over ? "see the calls below" : "none", total.sent_over > 0],
    ["Prompt cache reuse", percent(share(total.cached, total.after)), "of the sent tokens"],
    ["Quality", percent(share(total.quality, total.shortened)), total.shortened ? "of shortened views" : "nothing was shortened"],
    ["Time in fits", `${number((1000 * total.seconds) / Math.max(1, total.calls))} ms`, "per call"],
  ];
  byId("totals").replaceChildren(...cards.map(([name, value, more, isBad]) => element("div", { class: isBad ? "total bad" : "total" },
    element("dt", {}, name), element("dd", {}, element("strong", {}, value), element("span", {}, more)))));
}

function drawAgents(list) {
  byId("agents").replaceChildren(table("Agents",
    ["Agent", "Calls", "Before, mean", "Sent, mean", "Budget, mean", "Peak before", "Left out", "Over before", "Compactions", "Cache reuse"],
    byAgent(list).map(({ agent, total }) => [
      agent, number(total.calls), number(total.before / total.calls), number(total.after / total.calls),
      number(total.budget / total.calls), number(total.peak), number(total.before - total.after), number(total.over),
      number(total.compactions), percent(share(total.cached, total.after)),
    ])));
}

function drawCalls() {
  const kept = data.details.map(seen).filter(Boolean);
  inOrder = kept.sort(ORDERS[byId("order").value][1]);
  const total = totalOf(selectedSeries()).calls;
  byId("calls-note").textContent =
    `${number(Math.min(shownCalls, kept.length))} of ${plural(kept.length, "call")} listed` +
    (kept.length < total ? `; ${number(total - kept.length)} more are in the totals and charts only.` : ".") +
    " Open one for its steps and, if they were logged, for the texts that were sent.";
  const columns = [["Call"], ["Agent"], ["Time", "wide"], ["Before", "number"], ["Sent", "number"],
    ["Budget", "number wide"], ["Used", "number"], ["Level", "wide"], ["Cache", "number wide"]];
  const rows = inOrder.slice(0, shownCalls).map((call) => {
    const used = share(call.after, call.budget);
    const meter = element("span", { class: used > 1 ? "meter over" : "meter", "aria-hidden": "true" }, element("i"));
    meter.firstChild.style.width = `${Math.min(100, 100 * (used || 0))}%`;
    return element("tr", { "data-call": call.number, onclick: () => openCall(call) },
      element("th", { scope: "row" }, element("button", {
        type: "button", class: "open", "aria-label": `Open call ${number(call.number)} of ${call.agent}`,
      }, number(call.number))),
      element("td", { class: "agent", title: call.agent }, element("span", {}, call.agent)),
      element("td", { class: "wide" }, call.at > 0 ? time(call.at) : "–"),
      element("td", { class: call.was_over ? "number over" : "number" }, number(call.before),
        call.was_over ? element("span", { class: "hidden" }, " over the budget") : null),
      element("td", { class: "number" }, number(call.after)),
      element("td", { class: "number wide" }, number(call.budget)),
      element("td", { class: "number used" }, meter, element("span", { class: "share" }, percent(used))),
      element("td", { class: "wide" }, element("span", { class: `tag level${call.level}` }, LEVEL_NAMES[call.level]),
        call.compacted ? element("span", { class: "tag new" }, "compaction") : null),
      element("td", { class: "number wide" }, percent(share(call.cached, call.after))));
  });
  byId("calls-table").replaceChildren(element("table", { class: "calls" },
    element("caption", { class: "hidden" }, "Calls that can be looked at"),
    element("thead", {}, element("tr", {}, ...columns.map(([text, kind]) => element("th", { scope: "col", class: kind ?? null }, text)))),
    element("tbody", {}, ...rows)));
  const left = kept.length - shownCalls;
  byId("more").hidden = left <= 0;
  byId("more").textContent = `Show ${number(Math.min(PAGE, left))} more`;
}

function openBin(place, agent) {
  const inBin = inOrder.filter((call) =>
    Math.floor((call.number - 1) / data.bin_width) === place && (agent === undefined || call.agent === agent));
  if (inBin.length) openCall(inBin.reduce((a, b) => (b.pressure > a.pressure ? b : a)));
  else announce("No single call of this bar is in the report.");
}

function draw() {
  const list = selectedSeries();
  drawTotals(totalOf(list));
  drawAgents(list);
  drawCalls();
  drawCharts(list, openBin);
}

byId("about").textContent = [
  "", plural(data.calls, "call"), plural(data.agents, "agent"),
  ...(data.from > 0 ? [`${time(data.from)} to ${time(data.until)}`] : []),
  ...(data.bin_width > 1 ? [`charts add up ${number(data.bin_width)} calls to one bar`] : []),
].join(" · ");
byId("order").append(...Object.entries(ORDERS).map(([value, [text]]) => element("option", { value }, text)));
byId("order").addEventListener("change", drawCalls);
byId("more").addEventListener("click", () => {
  const first = shownCalls;
  shownCalls += PAGE;
  drawCalls();
  byId("calls-table").querySelectorAll("button.open")[first].focus();
});
drawFilters();
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
loadPlotly().then(draw, () => {
  document.documentElement.classList.add("no-plots");
  announce("This browser cannot draw the charts; their numbers are in the tables.");
  for (const numbers of document.querySelectorAll("details.numbers")) numbers.open = true;
}).finally(() => document.documentElement.classList.add("ready"));
