// Inputs that were explained: themselves, their map, the nodes that respond most.

import { overview, picturesOf, titleOf } from "../data.js";
import { blockText, byId, el, fill, focusOn, showPart } from "../dom.js";
import { drawMap } from "./maps.js";
import { onChange, shownGraphs } from "../state.js";

/** @import {ExplainedInput, Graph} from "../records.d.ts" */

const MOST_NAMED = 12;
/** Inputs of a class that are shown until all are asked for. */
const FIRST_SHOWN = 6;

/** Keeps the part on inputs. */
export function setUpInputs() {
  const any = explainedClasses().length > 0;
  showPart("inputs", any);
  if (any) {
    onChange("class", drawInputs);
  }
}

/** @returns {string[]} */
function explainedClasses() {
  return overview.classes
    .filter((info) => blockText(`pictures-${info.target}`)?.includes('"inputs"'))
    .map((info) => info.title);
}

/**
 * @param {string[]} titles
 * @returns {string}
 */
function listed(titles) {
  const [most, rest] = [titles.slice(0, MOST_NAMED), titles.length - MOST_NAMED];
  return `class ${most.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

function drawInputs() {
  const parts = shownGraphs().flatMap((graph) => {
    const { inputs } = picturesOf(graph.target);
    const heading = el("h3", {}, `Explained for class ${graph.info.title}`);
    const none = `No input was explained for this class, but for ${listed(explainedClasses())}.`;
    return inputs.length
      ? [heading, ...cards(graph, inputs)]
      : [heading, el("p", {}, none)];
  });
  fill(byId("inputs-body"), ...parts);
}

/**
 * Returns the first inputs of a class, and the means to see the others.
 * @param {Graph} graph
 * @param {ExplainedInput[]} inputs
 * @returns {HTMLElement[]}
 */
function cards(graph, inputs) {
  const list = el("ul", { class: "cards" }, ...inputs.slice(0, FIRST_SHOWN).map((input) => card(graph, input)));
  if (inputs.length <= FIRST_SHOWN) {
    return [list];
  }
  const more = el("button", { type: "button", class: "more" }, `Show all ${inputs.length} inputs`);
  more.addEventListener("click", () => {
    list.append(...inputs.slice(FIRST_SHOWN).map((input) => card(graph, input)));
    more.replaceWith();
    list.children[FIRST_SHOWN].setAttribute("tabindex", "-1");
    focusOn(list, ":scope > [tabindex]");
  });
  return [list, more];
}

/**
 * @param {Graph} graph
 * @param {ExplainedInput} input
 * @returns {HTMLElement}
 */
function card(graph, input) {
  const says = `the model says ${titleOf(input.predicted)}`;
  const isKnown = input.label >= 0;
  const right = isKnown && input.label === input.predicted;
  const verdict = !isKnown ? says : right ? `${says}, rightly` : `${says}, wrongly: it is ${titleOf(input.label)}`;
  const tiles = [
    input.picture ? el("li", {}, el("img", { src: input.picture, alt: `input ${input.name}` }), "input") : null,
    el("li", {}, drawMap(input.map, `map of ${input.name} for class ${graph.info.title}`), "map"),
    ...input.nodes.map(({ child, map }) =>
      el("li", {}, drawMap(map, `response of output ${child}`), `output ${child}`),
    ),
  ];
  const whose =
    input.layer === null
      ? ""
      : `Outputs are those of ${overview.layers[input.layer].name}. Violet: positive responses, orange: negative.`;
  return el(
    "li",
    {},
    el("h4", {}, input.name),
    el("p", {}, `${verdict}.`),
    el("ul", { class: "thumbs" }, ...tiles),
    el("p", { class: "small" }, whose),
  );
}
