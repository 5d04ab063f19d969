// Results of evaluations: a table and a chart for each measure.

import { curves, whiskers } from "./charts.js";
import { overview, unpacked } from "../data.js";
import { byId, el, fill, showPart } from "../dom.js";
import { counted, percent, short, shown } from "../format.js";
import { onChange, shownGraph } from "../state.js";
import { table } from "./tables.js";

/** @import {Evaluation, EvaluationRecord} from "../records.d.ts" */
/** @import {Column} from "./tables.js" */

/**
 * One number of an evaluation, with the row and the column of its table.
 * @typedef {object} Result
 * @property {number | null} target
 * @property {string | null} layer
 * @property {string} method
 * @property {number | null} at
 * @property {string} measure
 * @property {number} mean
 * @property {number} low
 * @property {number} high
 * @property {number} n
 * @property {string} label
 * @property {string} row
 * @property {string} column
 */

const NO_CURVES = ["AUROC", "share of edges"];

/** Shows the evaluations, for the chosen class where it has numbers of its own. */
export function setUpEvaluation() {
  showPart("evaluation", overview.evaluated > 0);
  if (overview.evaluated) {
    /** @type {Promise<Evaluation[]>} */
    const held = unpacked("evaluations");
    onChange("class", async () => {
      const evaluations = await held;
      fill(byId("evaluation-body"), ...evaluations.map(evaluationPart));
    });
  }
}

/**
 * @param {Evaluation} evaluation
 * @returns {HTMLElement}
 */
function evaluationPart(evaluation) {
  const records = evaluation.records.map(recordOf);
  // A histogram over fifths of beta stays in the file.
  const kept = records.filter((record) => !(evaluation.protocol === "reliability" && record.at !== null));
  const targets = new Set(kept.map((record) => record.target).filter((each) => each !== null));
  const means = targets.size > 1 ? kept.filter((record) => record.target === null) : [];
  const { target, info } = shownGraph();
  const own = kept.filter((record) => record.target === target);
  const title = `Class ${info.title}`;
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
      : el("p", {}, `It has no numbers of class ${info.title}.`),
  );
}

/**
 * Returns a record with the row and the column of its table: layer and method, or method and place on a curve.
 * @param {EvaluationRecord} record
 * @returns {Result}
 */
function recordOf([target, layer, method, along, measure, mean, low, high, n]) {
  const at = along !== null && !NO_CURVES.includes(measure) ? along : null;
  const place = at === null ? "value" : percent(at);
  return {
    ...{ target, layer, method, at, measure, mean, low, high, n },
    label: layer ? `${short(layer, 20)}, ${method}` : method,
    row: layer ?? method,
    column: layer ? method : place,
  };
}

/**
 * @param {string} title
 * @param {Result[]} records
 * @param {boolean} open
 * @returns {HTMLElement}
 */
function viewPart(title, records, open) {
  const measures = unique(records, "measure");
  const parts = measures.map((measure) => {
    const found = records.filter((record) => record.measure === measure);
    const name = `${title}: ${measure}`;
    const points = found.flatMap((record) => (record.at === null ? [] : [{ ...record, at: record.at }]));
    const chart = unique(found, "at").length > 1 ? curves(name, points) : whiskers(name, byLayer(found));
    return el("div", { class: "measure" }, el("h4", {}, measure), chart, measureTable(name, found));
  });
  return el("details", { open }, el("summary", {}, title), el("div", { class: "measures" }, ...parts));
}

/**
 * @template {keyof Result} Key
 * @param {Result[]} records
 * @param {Key} key
 * @returns {Result[Key][]}
 */
function unique(records, key) {
  return [...new Set(records.map((record) => record[key]))];
}

/**
 * @param {Result[]} records
 * @returns {Result[]}
 */
function byLayer(records) {
  const rows = unique(records, "row");
  return [...records].sort((one, two) => rows.indexOf(one.row) - rows.indexOf(two.row));
}

/**
 * @param {string} caption
 * @param {Result[]} records
 * @returns {HTMLElement}
 */
function measureTable(caption, records) {
  /** @type {(record: Result | undefined) => string} */
  const told = (record) => {
    const isExact = !record || record.low === record.high;
    return isExact ? shown(record?.mean) : `${shown(record.mean)} (${shown(record.low)} to ${shown(record.high)})`;
  };
  /** @type {Column<string>[]} */
  const columns = [
    { title: records[0].layer ? "layer" : "what", cell: (row) => row },
    ...unique(records, "column").map((column) => ({
      title: column,
      number: true,
      /** @param {string} row */
      cell: (row) => told(records.find((record) => record.row === row && record.column === column)),
    })),
    { title: "n", number: true, cell: (row) => String(records.find((record) => record.row === row)?.n) },
  ];
  return table(caption, columns, unique(records, "row"));
}
