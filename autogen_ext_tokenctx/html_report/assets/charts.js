// The five charts. Each has its numbers in a table, too.

const PANELS = 6;
const CUT = 6;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const share = (part, whole) => (whole ? part / whole : NaN);
// Plotly reads a few tags in texts of a chart; a name must not be one.
const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const perCall = () => (data.bin_width === 1 ? "" : ", mean per call");
const LEVEL_NAMES = ["unchanged", "lossless", "light", "strong", "summary"];

let plotly = null;

async function loadPlotly() {
  const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (sign) => sign.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  // Plotly adds a style for maps, if it is not there yet. There are no maps, and the page's policy would refuse it.
  for (const [, id] of script.textContent.matchAll(/getElementById\("([0-9a-f]{64})"\)/g)) {
    document.head.append(element("template", { id }));
  }
  document.head.append(script);
  plotly = window.Plotly;
}

function layout(more = {}) {
  const grid = { gridcolor: style("--line"), zeroline: false, linecolor: style("--line"), fixedrange: true };
  const { yaxis, xaxis, ...rest } = more;
  return {
    autosize: true,
    margin: { l: 52, r: 12, t: 8, b: 44 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: style("--font"), size: 12, color: style("--muted") },
    barmode: "stack",
    dragmode: false,
    hovermode: "closest",
    hoverlabel: {
      bgcolor: style("--card"), bordercolor: style("--line-strong"), align: "left",
      font: { family: style("--font"), size: 12.5, color: style("--text") },
    },
    showlegend: true,
    legend: {
      orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom", traceorder: "normal",
      itemclick: false, itemdoubleclick: false,
    },
    xaxis: {
      ...grid, showgrid: false, title: { text: "Call", standoff: 8 }, tickformat: ",d", nticks: 8,
      range: [0.5, Math.max(data.calls, 8) + 0.5], ...xaxis,
    },
    yaxis: { ...grid, rangemode: "tozero", tickformat: ",~s", nticks: 5, ...yaxis },
    ...rest,
  };
}

const bars = (bins, values, hover, more) => ({
  type: "bar", x: bins.map(middle), y: values, width: bins.map(() => data.bin_width * (data.calls < 60 ? 0.75 : 1)),
  customdata: hover, hovertemplate: "%{customdata}<extra></extra>", ...more,
});

const hoverHead = (bin) => `<b>${callsOfBin(bin)}</b><br>${bin.at > 0 ? time(bin.at) : ""}`;

function tokensChart(list) {
  const agents = byAgent(list);
  const shown = agents.slice(0, PANELS);
  const gap = 0.34 / Math.max(2, shown.length);
  const height = (1 - gap * (shown.length - 1)) / shown.length;
  const traces = [];
  const axes = {};
  const titles = [];
  let isCut = false;
  shown.forEach(({ agent, series }, row) => {
    const bins = binsOf(series);
    const axis = row ? `y${row + 1}` : "y";
    const top = 1 - row * (height + gap);
    const mean = (field) => bins.map((bin) => bin[field] / bin.calls);
    const after = mean("after");
    const before = mean("before");
    const budget = mean("budget");
    const hover = bins.map((bin, i) => [
      hoverHead(bin), plain(short(agent, 40)),
      `before ${number(before[i])}`, `sent ${number(after[i])}`, `budget ${number(budget[i])}`,
      ...(bin.calls > 1 ? [`means of ${number(bin.calls)} calls, peak before ${number(bin.peak)}`] : []),
    ].join("<br>"));
    const places = bins.map((bin) => bin.place);
    const common = { yaxis: axis, showlegend: row === 0, meta: { agent, places } };
    traces.push(bars(bins, after, hover, { ...common, name: "sent", marker: { color: style("--sent") } }));
    traces.push(bars(bins, before.map((value, i) => Math.max(0, value - after[i])), hover, {
      ...common, name: "left out", marker: { color: style("--saved") },
    }));
    const edges = bins.flatMap((bin) => [firstCall(bin) - 0.5, lastCall(bin) + 0.5]);
    traces.push({
      type: "scatter", mode: "lines", x: edges, y: budget.flatMap((value) => [value, value]), yaxis: axis,
      name: "budget", showlegend: row === 0, hoverinfo: "skip", line: { color: style("--budget"), width: 2, shape: "hv" },
    });
    // A whole history can be many times the budget. Bars beyond are cut, or what was sent could not be seen.
    const highest = Math.max(...before, ...after, ...budget);
    const most = CUT * Math.max(...budget, ...after);
    isCut ||= highest > most;
    axes[row ? `yaxis${row + 1}` : "yaxis"] = {
      domain: [Math.max(0, top - height), top], gridcolor: style("--line"), zeroline: false,
      range: [0, 1.04 * Math.min(highest, most) || 1],
      tickformat: ",~s", nticks: 4, fixedrange: true,
    };
    titles.push({
      text: `<b>${plain(short(agent, 32))}</b>`, x: 0, y: top, xref: "paper", yref: "paper", xanchor: "left",
      yanchor: "bottom", showarrow: false, font: { color: style("--text"), size: 13 },
    });
  });
  const { yaxis, ...others } = axes;
  const pixels = 110 + shown.length * 150;
  return {
    traces,
    height: pixels,
    layout: layout({
      ...others, yaxis, annotations: titles, margin: { l: 52, r: 12, t: 64, b: 44 },
      legend: {
        orientation: "h", x: 0, y: 1 + 26 / (pixels - 108), xanchor: "left", yanchor: "bottom", traceorder: "normal",
        itemclick: false, itemdoubleclick: false,
      },
      xaxis: { anchor: shown.length > 1 ? `y${shown.length}` : "y" },
    }),
    label: `Tokens of ${shown.map(({ agent }) => agent).join(", ")}: sent and left out, with the budget as a line.`,
    caption:
      `Whole bar: tokens the call would have had${perCall()}. Its lower part: what was sent. Line: the budget, less what is held back.` +
      (isCut ? ` Bars are cut at ${CUT} times the budget.` : "") +
      (agents.length > PANELS ? ` The ${PANELS} busiest of ${number(agents.length)} agents; choose another in the filter.` : "") +
      " Select a bar to open a call.",
    columns: ["Calls", "Agent", "Before", "Sent", "Budget", "Calls in row", "Peak before"],
    rows: agents.flatMap(({ agent, series }) => binsOf(series).map((bin) => [
      callsOfBin(bin), agent, number(bin.before / bin.calls), number(bin.after / bin.calls),
      number(bin.budget / bin.calls), number(bin.calls), number(bin.peak),
    ])),
  };
}

function viewChart(list) {
  const bins = binsOf(list);
  const known = data.categories.map((name, i) => ({ name, i })).filter(({ i }) => bins.some((bin) => bin.categories[i][1]));
  const order = [...known.filter(({ name }) => name !== "unweighed"), ...known.filter(({ name }) => name === "unweighed")];
  const name = (text) => text.replaceAll("_", " ");
  return {
    traces: order.map((category, place) => bars(
      bins, bins.map((bin) => bin.categories[category.i][1] / bin.calls),
      bins.map((bin) => `${hoverHead(bin)}<br>${plain(name(category.name))}: ${number(bin.categories[category.i][1] / bin.calls)} in the view`
        + `<br>${number(bin.categories[category.i][0] / bin.calls)} in the history`),
      {
        name: plain(short(name(category.name), 28)), meta: { places: bins.map((bin) => bin.place) },
        marker: { color: category.name === "unweighed" ? style("--unweighed") : style(`--c${place % 8}`) },
      },
    )),
    height: 300,
    layout: layout(),
    label: "Tokens in the view by category, as stacked bars over the calls.",
    caption: `Tokens in the view by category${perCall()}. Unweighed: what came after the last compaction, or never needed one.`,
    columns: ["Calls", ...order.flatMap((category) => [`${name(category.name)}: in history`, "in view"])],
    rows: bins.map((bin) => [
      callsOfBin(bin),
      ...order.flatMap(({ i }) => bin.categories[i].map((tokens) => number(tokens / bin.calls))),
    ]),
  };
}

function levelsChart(list) {
  const bins = binsOf(list);
  return {
    traces: LEVELS.map((level, place) => bars(
      bins, bins.map((bin) => bin[level]),
      bins.map((bin) => `${hoverHead(bin)}<br>${LEVEL_NAMES[place]}: ${number(bin[level])} of ${plural(bin.calls, "call")}`),
      { name: LEVEL_NAMES[place], marker: { color: style(`--level${place}`) }, meta: { places: bins.map((bin) => bin.place) } },
    )),
    height: data.bin_width > 1 ? 300 : 180,
    layout: layout({ yaxis: { title: { text: "calls", standoff: 6 }, tickformat: ",d", visible: data.bin_width > 1 } }),
    label: "Calls by the level of their view, as stacked bars over the calls.",
    caption:
      "Calls by how their view was made: unchanged; lossless (only notation and duplicates left out); light (under half " +
      "of the history); strong (half or more); summary. A view goes on from call to call until the next compaction.",
    columns: ["Calls", ...LEVEL_NAMES, "compactions"],
    rows: bins.map((bin) => [callsOfBin(bin), ...[...LEVELS, "compactions"].map((field) => number(bin[field]))]),
  };
}

function lineChart(bins, lines, words) {
  return {
    traces: lines.map(([name, color, value, dash]) => ({
      type: "scatter", mode: bins.length > 60 ? "lines" : "lines+markers", name, x: bins.map(middle), y: bins.map(value),
      line: { color: style(color), width: 2, dash }, marker: { size: 5 }, meta: { places: bins.map((bin) => bin.place) },
      customdata: bins.map((bin) => `${hoverHead(bin)}<br>${name}: ${percent(value(bin))}`),
      hovertemplate: "%{customdata}<extra></extra>",
    })),
    height: 260,
    layout: layout({ yaxis: { tickformat: ".0%", range: [0, 1.04] }, showlegend: lines.length > 1 }),
    columns: ["Calls", ...lines.map(([name]) => name)],
    rows: bins.map((bin) => [callsOfBin(bin), ...lines.map(([, , value]) => percent(value(bin)))]),
    ...words,
  };
}

const cacheChart = (list) => lineChart(
  binsOf(list), [["reused", "--sent", (bin) => share(bin.cached, bin.after)]],
  {
    label: "Share of the sent tokens that a prompt cache can serve, as a line over the calls.",
    caption: "Share of the sent tokens that began the agent's request before, so that the provider's prompt cache can serve them.",
  },
);

const qualityChart = (list) => lineChart(
  binsOf(list).filter((bin) => bin.shortened),
  [
    ["quality", "--sent", (bin) => share(bin.quality, bin.shortened)],
    ["relevance", "--budget", (bin) => share(bin.relevance, bin.shortened), "dot"],
  ],
  {
    label: "Quality and relevance of the shortened views, as lines over the calls.",
    caption:
      "Of calls with a shortened view. Quality: about how much of what the next step may need is still in the view. " +
      "Relevance: worth kept for the task. Where nothing was shortened, nothing is drawn.",
  },
);

const CHARTS = { tokens: tokensChart, view: viewChart, levels: levelsChart, cache: cacheChart, quality: qualityChart };

function drawCharts(list, onBin) {
  for (const [id, chart] of Object.entries(CHARTS)) {
    const figure = document.getElementById(id);
    if (!figure.firstChild) {
      figure.append(
        element("div", { class: "plot", role: "img" }),
        element("figcaption"),
        element("details", { class: "numbers", ontoggle: () => fillTable(figure) },
          element("summary", {}, "Numbers as a table"),
          element("div", { class: "scroll", tabindex: "0", role: "region" })),
      );
    }
    const made = chart(list);
    const plot = figure.querySelector(".plot");
    const heading = document.getElementById(`${id}-title`).textContent;
    plot.setAttribute("aria-label", made.label);
    figure.querySelector("figcaption").textContent = made.caption;
    figure.querySelector(".scroll").setAttribute("aria-label", `${heading}, as a table`);
    figure.table = { caption: heading, ...made };
    fillTable(figure);
    if (plotly === null) continue;
    plot.style.height = `${made.height}px`;
    plotly.react(plot, made.traces, made.layout, { displayModeBar: false, responsive: true });
    if (!plot.dataset.ready) {
      plot.dataset.ready = "yes";
      plot.on("plotly_click", ({ points: [point] }) => {
        const meta = point.data.meta;
        if (meta) onBin(meta.places[point.pointNumber], meta.agent);
      });
    }
  }
}

// A closed table is not made, as nobody reads it.
function fillTable(figure) {
  const open = figure.querySelector("details").open;
  const { caption, columns, rows } = figure.table;
  figure.querySelector(".scroll").replaceChildren(...(open ? [table(caption, columns, rows)] : []));
}

function table(caption, columns, rows, onlyFirstIsText = false) {
  const isText = columns.map((_, i) => i === 0 || !onlyFirstIsText && rows.some((row) => /^[^\d–-]/.test(row[i]) || row[i] === ""));
  return element("table", {},
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, ...columns.map((text, i) =>
      element("th", { scope: "col", class: isText[i] ? null : "number" }, text)))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((text, i) =>
      element(i ? "td" : "th", { scope: i ? null : "row", class: isText[i] ? null : "number" }, text))))));
}
