// The dialog with the provenance of a number or of a method's runs.

const COSTS = {
  "cost:images_per_second": ["Images/s", (training) => training.images_per_second],
  "cost:seconds": ["Training time", (training) => training.seconds],
  "cost:peak_memory_bytes": ["Peak memory", (training) => training.peak_memory_bytes],
};
const UNITS = { "cost:seconds": " s", "cost:peak_memory_bytes": " bytes" };

function open(title, ...parts) {
  const dialog = document.getElementById("dialog");
  const body = document.getElementById("dialog-body");
  document.getElementById("dialog-title").textContent = title;
  body.replaceChildren(...parts);
  dialog.showModal();
  dialog.scrollTop = 0;
}

function about(button) {
  const table = facts.tables[button.closest(".sheet").dataset.place];
  const place = button.closest("tr").dataset.row;
  const metric = button.closest("[data-metric]")?.dataset.metric;
  const row = place === undefined ? null : table.rows[place];
  if (!metric) {
    open(row.label, subtitle(table), ...runs(row.runs));
    return;
  }
  const title = COSTS[metric]?.[0] ?? table.metrics.find((one) => one.name === metric).title;
  if (!row) {
    const known = table.rows.flatMap((one) => one.runs)
      .filter((run) => typeof facts.runs[run].metrics[metric]?.floor === "number");
    open(`${title} between real images`, subtitle(table), ...numbers(metric, known), ...runs(known));
    return;
  }
  open(`${title} of ${row.label}`,
    subtitle(table),
    value(button, row, metric),
    ...paper(table, row.cells[metric] ?? {}),
    ...(row.runs.length ? numbers(metric, row.runs) : []),
    ...runs(row.runs),
  );
}

const subtitle = (table) => make("p", { class: "quiet" },
  table.paper ? `${table.paper}: ` : "", make("bdi", {}, table.title), `. In: ${table.board}.`);

function value(button, row, metric) {
  const cell = row.cells[metric];
  const notes = [cell?.note && ` ${cell.note}.`, ...(cell?.superseded ?? []).map((why) => ` ${why}`)]
    .filter(Boolean).join("");
  if (cell && cell.mean === undefined) {
    return make("p", {}, `No run has a valid value here.${notes}`);
  }
  const seeds = row.runs.filter((run) => facts.runs[run].state === "finished").length;
  const how = seeds > 1 ? `over ${seeds} seeds` : "of one seed";
  const mean = cell?.interval
    ? `; 95 % interval of the mean over seeds ${cell.interval.map(short).join(" to ")}` : "";
  const tied = cell?.tied ? "; no significant difference from the best of its column" : "";
  return make("p", {}, make("strong", {}, button.dataset.shown), ` ${how}${mean}${tied}.${notes}`);
}

function paper(table, cell) {
  if (cell.printed === undefined) {
    return [];
  }
  const verdict = cell.verdict
    ? ` Verdict: ${cell.verdict}${cell.reasons.length ? ` (${cell.reasons.join("; ")})` : ""}.`
    : "";
  return [
    make("p", {}, "The paper prints ", make("strong", {}, cell.printed),
      ` (${table.board}, ${table.paper}).${verdict}`),
    make("ul", { class: "notes" }, ...[...(cell.footnotes ?? []), ...table.notes].map((note) =>
      make("li", {}, note))),
  ];
}

// The value of each seed, unrounded.
function numbers(metric, known) {
  const cost = COSTS[metric];
  const heads = cost
    ? ["Seed", "Value", "Run"]
    : ["Seed", "Value", "95 % interval", "Baseline", "Samples", "Real images", "Run"];
  const lines = known.map((name) => {
    const run = facts.runs[name];
    if (cost) {
      return [run.seed, words(cost[1](run.training)) + (UNITS[metric] ?? ""), name];
    }
    const one = run.metrics[metric];
    if (!one) {
      const why = run.state === "diverged" ? `diverged: ${run.message}` : "not measured";
      return [run.seed, why, "", "", "", "", name];
    }
    const how = shared(one.how);
    const interval = one.low === undefined ? MISSING : `${short(one.low)} to ${short(one.high)}`;
    const floor = one.floor === undefined ? MISSING : `${short(one.floor)} (n=${how.n_floor})`;
    const mark = one.superseded ? " (superseded)" : "";
    return [run.seed, words(one.value) + mark, interval, floor, how.n_fake, how.n_real, name];
  });
  const recipes = [...new Set(known.map((name) => shared(facts.runs[name].metrics[metric]?.how)?.recipe))];
  return [
    ...recipes.filter(Boolean).map((recipe) => make("p", {}, `Recipe: ${recipe}.`)),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values by seed" },
      make("table", {},
        make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
        make("tbody", {}, ...lines.map((line) =>
          make("tr", {}, ...line.map((part) => make("td", {}, String(part)))))))),
  ];
}

// The runs, collapsed except the first; built when first opened.
function runs(names) {
  return names.map((name, index) => {
    const run = facts.runs[name];
    const title = `Seed ${run.seed}: ${name}${run.state === "finished" ? "" : ` (${run.state})`}`;
    const part = make("details", { class: "run" }, make("summary", {}, make("bdi", {}, title)));
    unfolded(part, () => part.append(...record(name, run), ...showcase(name)));
    part.open = index === 0;
    return part;
  });
}

function unfolded(details, fill) {
  let filled = false;
  details.addEventListener("toggle", () => {
    if (details.open && !filled) {
      filled = true;
      fill();
    }
  });
}

function record(name, run) {
  const made = shared(run.made);
  const training = run.training;
  const changed = { true: ", with local changes", false: ", unchanged", null: "" }[run.dirty];
  const masks = shared(run.masks);
  const instructions = made.instructions ? ` with ${made.instructions}` : "";
  const said = {
    "Record": `${name}.json`,
    "State": run.message ? `${run.state}: ${run.message}` : run.state,
    "Method": run.method,
    "Data": `${run.dataset} (${run.source}), fingerprint ${run.fingerprint}`,
    "Cases": words(shared(run.cases)),
    "Skipped (unreadable)": words(shared(run.skipped)),
    "Duplicates (used once)": words(shared(run.copies)),
    "Read as": words(shared(run.reading)),
    "Trained on": words(shared(run.pairs)),
    "Masks": masks === null ? MISSING : words(masks),
    "Seed": run.seed,
    "Precision": run.precision,
    "Code": run.commit ? `commit ${run.commit}${changed}` : "no repository",
    "Created": run.created,
    "Imported": run.imported ? words(run.imported) : MISSING,
    "Training": `${words(training.kimg)} kimg, ${training.steps} steps, ${duration(training.seconds)}, ` +
      `${words(training.images_per_second)} images/s, peak memory ${memory(training.peak_memory_bytes)}`,
    "Parameters": words(training.parameters),
    "Updates": words(training.updates),
    "Machine": `${made.processor}${instructions}, ${made.cores} cores, ${made.threads} threads, ` +
      `${memory(made.memory_bytes)}, computed on ${made.device}, ${made.system}`,
    "Versions": `benchbed ${made.benchbed}, Python ${made.python}, ${words(made.libraries)}`,
    "Plugins": words(made.plugins),
    "Uncommitted": words(made.uncommitted),
    "Protocol": `${run.protocol_hash}: ${words(shared(run.protocol))}`,
    "Settings": words(shared(run.settings)),
  };
  const known = Object.entries(said).filter(([, value]) => value !== MISSING);
  return [
    make("p", {}, "Command that repeats the run:"),
    make("pre", { class: "command", tabindex: "0" }, run.command),
    ...(run.paths ? [make("p", {}, run.paths)] : []),
    make("dl", { class: "record" }, ...known.flatMap(([term, value]) =>
      [make("dt", {}, term), make("dd", {}, String(value))])),
  ];
}
