// One call: what each hook did, its steps, and what was sent.

const dialog = document.getElementById("call");
const HOOKS = { context: "model context", client: "model client" };
let inOrder = [];

function openCall(call) {
  const place = inOrder.findIndex((one) => one.number === call.number);
  const step = (by, text) => element("button", {
    type: "button", disabled: !inOrder[place + by], onclick: () => openCall(inOrder[place + by]),
  }, text);
  dialog.replaceChildren(
    element("div", { class: "dialog-head" },
      element("div", {},
        element("h2", { id: "call-title", tabindex: "-1" }, `Call ${number(call.number)} · ${call.agent}`),
        element("p", { class: "note" }, [
          call.at > 0 ? time(call.at) : null, call.team ? `team ${call.team}` : null, call.fits.at(-1).model || null,
          `${call.fits.length > 1 ? "lines" : "line"} ${call.fits.map((fit) => number(fit.line)).join(" and ")} of the log`,
        ].filter(Boolean).join(" · "))),
      element("div", { class: "buttons" },
        step(-1, "Previous"), step(1, "Next"),
        element("button", { type: "button", class: "close", onclick: () => dialog.close() }, "Close"))),
    element("div", { class: "dialog-body" },
      element("div", { class: "sides" }, hookTable(call), ...call.fits.map(categoryTable)),
      ...call.fits.flatMap(fitParts)),
  );
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  dialog.querySelector("h2").focus();
  announce(`Call ${number(call.number)} of ${call.agent}: ${number(call.before)} tokens before, ${number(call.after)} sent.`);
}

function hookTable(call) {
  const lines = [
    ["Before", (fit) => number(fit.tokens_before)],
    ["Sent", (fit) => number(fit.tokens_after)],
    ["Budget", (fit) => number(fit.budget)],
    ["Held back of it", (fit) => number(fit.reserve)],
    ["Level", (fit) => LEVEL_NAMES[LEVELS.indexOf(fit.level)] + (fit.compacted ? ", new compaction" : "")],
    ["Prompt cache reuse", (fit) => `${number(fit.cached_tokens)} (${percent(share(fit.cached_tokens, fit.tokens_after))})`],
    ["Quality", (fit) => percent(fit.quality)],
    ["Relevance", (fit) => percent(fit.relevance)],
    ["Message groups", (fit) => number(fit.groups)],
    ["Time", (fit) => `${(fit.seconds * 1000).toLocaleString("en-US", { maximumFractionDigits: 1 })} ms`],
  ];
  return element("div", {}, element("h3", {}, "What each hook did"), scrolled("What each hook did", table("What each hook did",
    ["Value", ...call.fits.map((fit) => HOOKS[fit.hook])],
    lines.map(([name, value]) => [name, ...call.fits.map(value)]), true)));
}

// Nothing to say when all of it is unweighed.
function categoryTable(fit) {
  if (!fit.categories.some(([name]) => name !== "unweighed")) return null;
  const title = `Categories · ${HOOKS[fit.hook]}`;
  return element("div", {}, element("h3", {}, title), scrolled(title, table(title,
    ["Category", "In the history", "In the view"],
    fit.categories.map(([name, before, after]) => [name.replaceAll("_", " "), number(before), number(after)]))));
}

function fitParts(fit) {
  const parts = [];
  const of = ` · ${HOOKS[fit.hook]}`;
  parts.push(element("h3", {}, `Steps${of}`));
  if (fit.steps.length) {
    parts.push(scrolled(`Steps${of}`, stepTable(`Steps${of}`, fit.steps)));
  } else if (!fit.steps_left_out) {
    parts.push(element("p", { class: "note" }, "No steps: the view is the history."));
  }
  if (fit.steps_left_out) {
    parts.push(element("p", { class: "note" },
      `${plural(fit.steps_left_out, "more step")} not listed here; see line ${number(fit.line)} of the log.`));
  }
  if (fit.sent.length) {
    parts.push(element("h3", {}, `Sent${of}`), element("dl", { class: "sent" },
      ...fit.sent.flatMap(([who, text]) => [element("dt", {}, who), element("dd", {}, element("pre", {}, text))])));
  }
  return parts;
}

function stepTable(caption, steps) {
  return element("table", { class: "steps" },
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {},
      ...[["Unit", "number"], ["What"], ["Form"], ["Before", "number"], ["After", "number"], ["Why"], ["Handle"]]
        .map(([text, kind]) => element("th", { scope: "col", class: kind ?? null }, text)))),
    element("tbody", {}, ...steps.map((step) => element("tr", {},
      element("td", { class: "number" }, step.group < 0 ? "–" : number(step.group)),
      element("th", { scope: "row" }, step.what),
      element("td", {}, element("span", { class: "tag" }, step.form)),
      element("td", { class: "number" }, number(step.tokens_before)),
      element("td", { class: "number" }, number(step.tokens_after)),
      element("td", { class: "why" }, step.why),
      element("td", {}, element("code", {}, step.handle))))));
}

const scrolled = (label, content) =>
  element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});
