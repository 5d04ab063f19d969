// What a reader must know: warnings, limits, provenance, settings, and what a repair recorded.

import { overview } from "../data.js";
import { byId, el, fill, showPart } from "../dom.js";
import { counted, percent, short, shown } from "../format.js";
import { DEEP } from "../state.js";
import { facts } from "./tables.js";

/** @import {Json} from "../records.d.ts" */

/** @type {Record<string, string>} */
const OTHER_SCORES = {
  margin: "; the score here is the lead of the class over the best other class",
  "log-prob": "; the score here is the logarithm of the probability of the class",
};

/** Writes the parts that do not depend on the class. */
export function setUpAbout() {
  document.title = `${short(overview.model.file, 60)}: causal report`;
  byId("model").textContent = overview.model.file;
  byId("lead").textContent = lead();
  fill(byId("warnings"), ...warnings().map((text) => el("p", { class: "warning" }, text)));
  fill(byId("limits"), ...limits().map((text) => el("li", {}, text)));
  fill(byId("provenance"), facts(provenance()));
  fill(byId("settings"), facts(overview.settings));
  showPart("repair", overview.repairs.length > 0);
  fill(byId("repair-body"), ...overview.repairs.map(tree));
}

/** @returns {string} */
function lead() {
  return (
    `${counted(overview.classes.length, "class", "classes")} of ${overview.model.file} were analysed on samples of ` +
    `${overview.data.source}. For each, the paths of one node at a time were ` +
    (overview.beta > 0 ? `weakened to ${shown(overview.beta)} of their weights` : "removed") +
    `, the network was run again, and what that did to the score of the class was measured${scoreTold()}. ` +
    "Choose a class to see what its score rests on."
  );
}

/**
 * Says what the score is, where it is not the one that the network gives the class.
 * @returns {string}
 */
function scoreTold() {
  return OTHER_SCORES[overview.outcome] ?? "";
}

/** @returns {string[]} */
function warnings() {
  const found = [...overview.notes];
  /** @type {(count: number) => string} */
  const classes = (count) => counted(count, "class", "classes");
  /** @type {(key: "untracked" | "normalised") => number} */
  const having = (key) => overview.classes.filter((info) => info[key] > 0).length;
  if (overview.data.synthetic && !found.some((note) => note.includes("synthetic"))) {
    found.unshift(
      "Synthetic probe inputs: no data was given; effects are those on noise that the model labelled itself.",
    );
  }
  if (having("untracked")) {
    found.push(
      `The flow of some layers is untracked in ${classes(having("untracked"))}: which of their outputs matter is not ` +
        "known there, so all were treated as mattering.",
    );
  }
  if (having("normalised")) {
    found.push(
      `In ${classes(having("normalised"))} a normalisation between layers mixes channels a little: the edges there ` +
        "are not exact, the effects are.",
    );
  }
  if (overview.skipped.length) {
    const count = classes(overview.skipped.length);
    found.push(`${count} could not be analysed; the reasons stand below the list of classes.`);
  }
  if (overview.keep !== null) {
    found.push(
      `To keep this page small, only the ${overview.keep} strongest necessary and noisy nodes of each layer have ` +
        "their numbers here; the counts are of all. analysis.json has every number.",
    );
  }
  return found;
}

/** @returns {string[]} */
function limits() {
  const found = [
    "Causal means: within the computation of this network. The effects are what this network would have said with " +
      "these paths changed. They say nothing about causes in the world the data comes from.",
    "Nodes were changed one at a time, in one layer at a time. What several do together can be more or less than the " +
      "sum.",
    overview.task === "regression"
      ? "The effects are means over the samples listed in analysis.json; other samples can give others."
      : "Only samples that the model classified correctly were used. On what it gets wrong, and on inputs of another " +
        "kind, effects can be others.",
    `A node is called necessary or noisy by the rule ${overview.rule}${ruleTold()}.`,
    "Intervals and q allow for the choice of samples of this data, not for data of another kind.",
  ];
  if (overview.layers.length > DEEP) {
    found.push(
      "In deep networks the effects of single nodes do not add up to the whole: the nodes named here matter, but the " +
        "decision may need others beside them. onnxcausal evaluate sufficiency measures how far these go alone.",
    );
  }
  if (!overview.has_samples) {
    found.push("No effects on single samples are shown: effects.npz was not found beside the analysis.");
  }
  return found;
}

/** @returns {string} */
function ruleTold() {
  if (overview.rule !== "paired") {
    return ", the published code's test, whose graphs grow with the number of samples";
  }
  return (
    `: significant at a false discovery rate of ${shown(overview.alpha)} within its layer, and among the strongest ` +
    `that carry ${percent(overview.coverage)} of the summed effect`
  );
}

/** @returns {[name: string, value: string][]} */
function provenance() {
  return [
    ["model", overview.model.file],
    ["hash of the model (SHA-256)", overview.model.sha256],
    ["data", `${overview.data.source}${overview.data.synthetic ? " (synthetic)" : ""}`],
    ["hash of the data (SHA-256)", overview.data.sha256],
    ["onnxcausal", overview.tool.onnxcausal],
    ["ONNX Runtime", overview.tool.onnxruntime],
    ["providers", overview.tool.providers.join(", ")],
    ["graph drawn by", "Cytoscape.js, under the MIT licence that stands in this file"],
  ];
}

/**
 * Returns values of any shape as nested tables.
 * @param {Json} value
 * @returns {HTMLElement}
 */
function tree(value) {
  if (Array.isArray(value)) {
    return value.every((entry) => entry === null || typeof entry !== "object")
      ? el("span", {}, value.map(told).join(", ") || "none")
      : el("ol", {}, ...value.map((entry) => el("li", {}, tree(entry))));
  }
  if (value !== null && typeof value === "object") {
    return facts(Object.entries(value).map(([name, entry]) => [name, tree(entry)]));
  }
  return el("span", {}, told(value));
}

/**
 * @param {Json} value
 * @returns {string}
 */
function told(value) {
  return typeof value === "number" ? shown(value, 4) : value === null ? "–" : String(value);
}
