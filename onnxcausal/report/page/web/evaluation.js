// Results of evaluations: a table and a chart for each measure.

const FIELDS = ["target", "layer", "method", "at", "measure", "mean", "low", "high", "n"];
const NO_CURVES = ["AUROC", "share of edges"];

/** Shows the evaluations, for the chosen class where it has numbers of its own. */
function setUpEvaluation() {
  showPart("evaluation", overview.evaluated > 0);
  if (overview.evaluated) {
    const held = unpacked("evaluations");
    onChange("class", async () => {
      const evaluations = await held;
      fill(byId("evaluation-body"), ...evaluations.map(evaluationPart));
    });
  }
}

function evaluationPart(evaluation) {
  const records = evaluation.records.map(recordOf);
  // A histogram over fifths of beta stays in the file.
  const kept = records.filter((record) => !(evaluation.protocol === "reliability" && record.at !== null));
  const targets = new Set(kept.map((record) => record.target).filter((target) => target !== null));
  const means = targets.size > 1 ? kept.filter((record) => record.target === null) : [];
  const own = kept.filter((record) => record.target === state.graph.target);
  const title = `Class ${state.graph.info.title}`;
  const other = `Its settings are other than the analysis's: ${evaluation.differs.join("; ")}.`;
  return el(
    "article",
    {},
    el("h3", {}, evaluation.protocol),
    el("p", {}, evaluation.asks),
    ...evaluation.notes.map((note) => el("p", { class: "small" }, `Note: ${note}`)),
    evaluation.differs.length ? el("p", { class: "small" }, other) : null,
    means.length ? viewPart(`Mean over ${counted(targets.size, "class", "classes")}`, means, true) : null,
    own.length
      ? viewPart(title, own, !means.length)
      : el("p", {}, `It has no numbers of class ${state.graph.info.title}.`),
  );
}

/** Returns a record with the row and the column of its table: layer and method, or method and place on a curve. */
function recordOf(values) {
  const record = Object.fromEntries(values.map((value, place) => [FIELDS[place], value]));
  const at = record.at !== null && !NO_CURVES.includes(record.measure) ? record.at : null;
  const place = at === null ? "value" : percent(at);
  return {
    ...record,
    at,
    label: record.layer ? `${short(record.layer, 20)}, ${record.method}` : record.method,
    row: record.layer ?? record.method,
    column: record.layer ? record.method : place,
  };
}

function viewPart(title, records, open) {
  const measures = unique(records, "measure");
  const parts = measures.map((measure) => {
    const found = records.filter((record) => record.measure === measure);
    const name = `${title}: ${measure}`;
    const chart = unique(found, "at").length > 1 ? curves(name, found) : whiskers(name, byLayer(found));
    return el("div", { class: "measure" }, el("h4", {}, measure), chart, measureTable(name, found));
  });
  return el("details", { open }, el("summary", {}, title), el("div", { class: "measures" }, ...parts));
}

function unique(records, key) {
  return [...new Set(records.map((record) => record[key]))];
}

function byLayer(records) {
  const rows = unique(records, "row");
  return [...records].sort((one, two) => rows.indexOf(one.row) - rows.indexOf(two.row));
}

function measureTable(caption, records) {
  const told = (record) => {
    const isExact = !record || record.low === record.high;
    return isExact ? shown(record?.mean) : `${shown(record.mean)} (${shown(record.low)} to ${shown(record.high)})`;
  };
  const columns = [
    { title: records[0].layer ? "layer" : "what", cell: (row) => row },
    ...unique(records, "column").map((column) => ({
      title: column,
      number: true,
      cell: (row) => told(records.find((record) => record.row === row && record.column === column)),
    })),
    { title: "n", number: true, cell: (row) => String(records.find((record) => record.row === row).n) },
  ];
  return table(caption, columns, unique(records, "row"));
}
