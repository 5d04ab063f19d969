// What is told of one node: its effects, its samples, its maps, what it is joined to.

import { box } from "./charts.js";
import { NECESSARY, OUTCOME, nodeOf, overview, picturesOf } from "../data.js";
import { button, byId, el, fill, say } from "../dom.js";
import { interval, percent, short, shown, signed } from "../format.js";
import { MEANING, mark } from "../graph/kinds.js";
import { childrenOf, fedBy, leadsTo } from "../graph/links.js";
import { drawMap } from "./maps.js";
import { choose, letGo, onChange, shownGraph, shownGraphs, state } from "../state.js";
import { facts } from "./tables.js";
import { toldOf } from "../told.js";

/** @import {Child} from "../dom.js" */
/** @import {End, Graph, LayerNode} from "../records.d.ts" */

const MOST_LINKS = 12;

/** Keeps the panel beside the graph. */
export function setUpNode() {
  onChange("chosen", drawNode);
}

function drawNode() {
  const title = byId("node-title");
  const body = byId("node-body");
  if (!state.chosen) {
    title.textContent = "A node";
    fill(body, el("p", {}, "Choose a node in the graph or in the table below to see what it does."));
    return;
  }
  const { at, index } = state.chosen;
  if (at === OUTCOME) {
    title.textContent = `Class ${shownGraph().info.title}`;
    fill(body, ...outcomeParts());
    return;
  }
  title.textContent = `Node ${index} of ${overview.layers[at].name}`;
  const parts = shownGraphs().flatMap((graph) => partsOf(graph, at, index));
  fill(body, ...parts, button("Let go", letGo));
  say(toldOf(at, index).join(", "));
}

/** @returns {Child[]} */
function outcomeParts() {
  const { info } = shownGraph();
  return [
    facts([
      ["mean score", shown(info.mean)],
      ["standard deviation", shown(info.sd)],
      ["samples", `${info.samples}`],
      ["tensor", info.tensor],
      ["float noise", `effects below ${shown(info.floor)} count as 0`],
    ]),
    ...linkParts(
      "It is fed by",
      fedBy(shownGraph(), OUTCOME, info.target).map(endOf),
    ),
  ];
}

/**
 * @param {Graph} graph
 * @param {number} at
 * @param {number} index
 * @returns {Child[]}
 */
function partsOf(graph, at, index) {
  const node = nodeOf(graph, at, index);
  const heading = state.other ? [el("h4", {}, `Class ${graph.info.title}`)] : [];
  if (!node) {
    return [...heading, el("p", {}, "Its numbers are not held in this page; analysis.json has them.")];
  }
  return [
    ...heading,
    el("p", {}, mark(node.role), ` ${node.role}. ${MEANING[node.role]}`),
    node.ate === null ? null : effectFacts(graph, node, node.ate),
    ...sampleParts(graph, node),
    ...mapParts(graph, node),
    ...(node.role === NECESSARY ? linkParts("It leads to", leadsTo(graph, at, index)) : []),
    ...linkParts(
      "It is fed by",
      fedBy(graph, at, index).map(endOf),
    ),
  ];
}

/**
 * @param {LayerNode} node
 * @returns {End}
 */
function endOf(node) {
  return [node.at, node.index];
}

/**
 * @param {Graph} graph
 * @param {LayerNode} node
 * @param {number} ate its effect
 * @returns {HTMLElement}
 */
function effectFacts(graph, node, ate) {
  const { mean, sd, samples } = graph.info;
  const verb = overview.beta > 0 ? `weakened to ${shown(overview.beta)} of their weights` : "removed";
  return facts([
    [`effect with its paths ${verb}`, signed(ate)],
    [`interval at level ${shown(1 - overview.alpha)}`, interval(node.low, node.high)],
    ["share of the mean score", mean ? percent(ate / Math.abs(mean)).replace(/^(?=[\d])/, "+") : "–"],
    ["d (standard deviations)", sd ? signed(ate / sd) : "–"],
    ["q", shown(node.q, 2)],
    ["samples", String(node.used ?? samples)],
  ]);
}

/**
 * @param {Graph} graph
 * @param {LayerNode} node
 * @returns {Element[]}
 */
function sampleParts(graph, node) {
  const told = node.layer.samples.get(node.index);
  if (!told) {
    return [];
  }
  const [quartiles, samples] = told;
  const { samples: pictures } = picturesOf(graph.target);
  const items = samples.map(([position, effect]) =>
    el(
      "li",
      {},
      pictures[position] ? el("img", { src: pictures[position], alt: `sample ${position}` }) : null,
      `sample ${position}: ${signed(effect)}`,
    ),
  );
  return [
    el("h4", {}, "Its effect over the samples"),
    box(quartiles),
    el("h4", {}, node.role === NECESSARY ? "Samples that need it most" : "Samples it hurts most"),
    el("ul", { class: "thumbs" }, ...items),
  ];
}

/**
 * @param {Graph} graph
 * @param {LayerNode} node
 * @returns {HTMLElement[]}
 */
function mapParts(graph, node) {
  const children = new Set(childrenOf(graph, node.at, node.index).map(([at, child]) => `${at}.${child}`));
  const shownMaps = [];
  for (const input of picturesOf(graph.target).inputs) {
    for (const { child, map } of input.nodes) {
      if (children.has(`${input.layer}.${child}`)) {
        shownMaps.push(el("li", {}, drawMap(map, `response to ${input.name}`), short(input.name, 24)));
      }
    }
  }
  return shownMaps.length ? [el("h4", {}, "Where it responds"), el("ul", { class: "thumbs" }, ...shownMaps)] : [];
}

/**
 * @param {string} title
 * @param {End[]} ends
 * @returns {HTMLElement[]}
 */
function linkParts(title, ends) {
  if (!ends.length) {
    return [];
  }
  const links = ends.slice(0, MOST_LINKS).map(([at, index]) => {
    const name = at === OUTCOME ? "the outcome" : `node ${index} of ${overview.layers[at].name}`;
    return el(
      "li",
      {},
      button(name, () => choose(at, index), { class: "plain" }),
    );
  });
  const more = ends.length > MOST_LINKS ? el("li", {}, `and ${ends.length - MOST_LINKS} more`) : null;
  return [el("h4", {}, `${title} (${ends.length})`), el("ul", {}, ...links, more)];
}
