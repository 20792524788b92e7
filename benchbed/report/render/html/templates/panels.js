// Panels below a table, built when first opened.

const PANELS = {
  samples(table) {
    const rows = table.rows.filter((row) => row.runs.length);
    return [make("div", { class: "cards" }, ...rows.map(card))];
  },
  cost(table) {
    const place = make("div", {});
    const metric = choice("Quality", table.metrics.map((one) => [one.name, one.title]));
    const cost = choice("Cost", Object.entries(COSTS).map(([name, [title]]) => [name, title]));
    const plot = () => place.replaceChildren(costPlot(table, metric.value, cost.value));
    metric.addEventListener("change", plot);
    cost.addEventListener("change", plot);
    plot();
    return [make("div", { class: "choices" }, metric.parentElement, cost.parentElement), place];
  },
};

function card(row) {
  const known = row.runs.filter((run) => facts.shown[run]);
  const run = known[0] ?? row.runs[row.runs.length - 1];
  return make("article", { class: "card" },
    make("h4", {}, make("bdi", {}, row.label)),
    make("p", { class: "quiet" }, `Seed ${facts.runs[run].seed}, ${facts.runs[run].state}`),
    ...showcase(run));
}

function choice(label, options) {
  const select = make("select", {}, ...options.map(([value, title]) => make("option", { value }, title)));
  make("label", {}, `${label} `, select);
  return select;
}

// The mean over the finished runs of a row.
function costPlot(table, metric, cost) {
  const [title, read] = COSTS[cost];
  const spec = table.metrics.find((one) => one.name === metric);
  const unit = { "cost:seconds": 60, "cost:peak_memory_bytes": 1e9 }[cost] ?? 1;
  const found = table.rows.flatMap((row) => {
    const finished = row.runs.filter((run) => facts.runs[run].state === "finished");
    const costs = finished.map((run) => read(facts.runs[run].training)).filter(Boolean);
    const quality = row.cells[metric]?.mean;
    if (typeof quality !== "number" || !costs.length) {
      return [];
    }
    const x = costs.reduce((sum, one) => sum + one, 0) / costs.length / unit;
    return [{ label: row.label, x, y: quality, xs: short(x), ys: short(quality) }];
  });
  if (!found.length) {
    return make("p", { class: "quiet" }, `No row has both ${spec.title} and ${title}.`);
  }
  const better = { up: ", higher is better", down: ", lower is better", none: "" }[spec.direction];
  const units = { "cost:seconds": " (min)", "cost:peak_memory_bytes": " (GB)" }[cost] ?? "";
  return points(found, [`${title}${units}`, `${spec.title}${better}`]);
}

function unfolding(details) {
  const table = facts.tables[details.closest(".sheet").dataset.place];
  const build = PANELS[details.dataset.panel];
  unfolded(details, () => details.append(...build(table)));
}
