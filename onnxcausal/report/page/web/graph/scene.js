// What the graph shows of one class: layers open or closed, their nodes, the strongest edges.

import { NECESSARY, OUTCOME, nodeOf, nodesOf } from "../data.js";
import { short } from "../format.js";
import { fedBy, leadsTo } from "./links.js";
import { state } from "../state.js";

/** @import {Graph, Kind, Layer, LayerNode} from "../records.d.ts" */

export const MOST_NODES = 130;
export const MOST_EDGES = 360;
const LEAST_EDGES = 30;
const MOST_OF_CHOSEN = 400;

/** @typedef {{id: string, at: number, index: number, kind: Kind, strength: number}} BandNode A node that is drawn. */
/**
 * A layer that is drawn.
 * @typedef {object} Band
 * @property {number} at
 * @property {boolean} open whether its nodes are drawn
 * @property {number} hidden its nodes that are too many to be drawn
 * @property {{name: string, told: string}} label
 * @property {BandNode[]} nodes
 */
/** @typedef {{id: string, source: string, target: string, kind: Kind, strength: number}} Edge */
/** @typedef {{kept: Edge[], left: number}} Edges What is drawn, and how many are too weak for it. */
/** @typedef {{title: string, bands: Band[], edges: Edges}} Scene */
/** @typedef {(at: number, index: number) => boolean} IsShown Whether a node is drawn, by itself or in its layer. */
/** @typedef {{node: LayerNode, at: number, index: number, weight: number}} Pair */

/**
 * Returns the id of a node in the drawing.
 * @param {number} at
 * @param {number} index
 * @returns {string}
 */
export function idOf(at, index) {
  return at === OUTCOME ? "outcome" : `n${at}.${index}`;
}

/**
 * Returns the scene of one class.
 * @param {Graph} graph
 * @returns {Scene}
 */
export function sceneOf(graph) {
  const bands = graph.layers
    .filter((layer) => layer.reached)
    .map((layer) => {
      const open = state.open.has(layer.at);
      const nodes = open ? nodesOf(graph, layer, state.roles) : [];
      const drawn = nodes.slice(0, MOST_NODES);
      return {
        at: layer.at,
        open,
        hidden: nodes.length - drawn.length,
        label: { name: bandLabel(layer), told: countsTold(layer) },
        nodes: drawn.map((node) => ({
          id: idOf(node.at, node.index),
          at: node.at,
          index: node.index,
          kind: node.role,
          strength: node.strength,
        })),
      };
    });
  return { title: `class ${short(graph.info.title, 40)}`, bands, edges: edgesOf(graph, bands, NECESSARY, MOST_EDGES) };
}

/**
 * @param {Layer} layer
 * @returns {string}
 */
function bandLabel(layer) {
  const flow = layer.flow === "tracked" ? "" : ` (flow ${layer.flow})`;
  return `${short(layer.name, 26)}${flow}`;
}

/**
 * @param {Layer} layer
 * @returns {string} how many of its nodes are necessary and noisy
 */
function countsTold(layer) {
  const [necessary, noisy] = layer.counts;
  return `${necessary} necessary, ${noisy} noisy of ${layer.parents}`;
}

/**
 * Returns the strongest edges between what is drawn; ends in closed layers are the layers themselves.
 * @param {Graph} graph
 * @param {Band[]} bands
 * @param {Kind} kind
 * @param {number} most
 * @returns {Edges}
 */
export function edgesOf(graph, bands, kind, most) {
  const drawn = new Map(
    bands.filter((band) => band.open).map((band) => [band.at, new Set(band.nodes.map((node) => node.index))]),
  );
  drawn.set(OUTCOME, new Set([graph.target]));
  /** @type {IsShown} */
  const isShown = (at, index) => drawn.get(at)?.has(index) ?? true;
  /** @type {(at: number, index: number) => string} */
  const place = (at, index) => (drawn.has(at) ? idOf(at, index) : `b${at}`);
  const layers = graph.layers.filter((layer) => layer.wires);
  const share = Math.max(LEAST_EDGES, Math.floor(most / Math.max(1, layers.length)));
  /** @type {Map<string, Edge>} */
  const kept = new Map();
  let left = 0;
  for (const layer of layers) {
    const sources = nodesOf(graph, layer, new Set([NECESSARY])).filter((node) => isShown(node.at, node.index));
    const pairs = sources.flatMap((node) => pairsOf(graph, node, isShown));
    pairs.sort((one, two) => two.weight - one.weight);
    let drawnHere = 0;
    for (const { node, at, index } of pairs) {
      const isOfLayers = !drawn.has(node.at) || !drawn.has(at);
      if (drawnHere >= share && !isOfLayers) {
        left += 1;
        continue;
      }
      const [source, target] = [place(node.at, node.index), place(at, index)];
      const id = `${kind}:${source}>${target}`;
      if (!kept.has(id)) {
        kept.set(id, { id, source, target, kind, strength: node.strength });
        drawnHere += isOfLayers ? 0 : 1;
      }
    }
  }
  return { kept: [...kept.values()], left };
}

/**
 * Returns what a node leads to, weighed by the strength of both ends.
 * @param {Graph} graph
 * @param {LayerNode} node
 * @param {IsShown} isShown
 * @returns {Pair[]}
 */
function pairsOf(graph, node, isShown) {
  return leadsTo(graph, node.at, node.index)
    .filter((end) => isShown(...end))
    .map(([at, index]) => {
      const size = at === OUTCOME ? 1 : (nodeOf(graph, at, index)?.strength ?? 0);
      return { node, at, index, weight: node.strength * size };
    });
}

/**
 * Returns the edges of the chosen node, drawn or not among the strongest, by the ids of their ends.
 * @param {Graph} graph
 * @param {{at: number, index: number}} chosen
 * @param {(id: string) => boolean} isDrawn
 * @returns {[source: string, target: string][]}
 */
export function edgesOfChosen(graph, { at, index }, isDrawn) {
  const id = idOf(at, index);
  const below = at === OUTCOME ? [] : nodeOf(graph, at, index)?.role === NECESSARY ? leadsTo(graph, at, index) : [];
  /** @type {[string, string][]} */
  const pairs = [
    ...below.map((end) => pair(id, state.open.has(end[0]) || end[0] === OUTCOME ? idOf(...end) : `b${end[0]}`)),
    ...fedBy(graph, at, index).map((node) =>
      pair(state.open.has(node.at) ? idOf(node.at, node.index) : `b${node.at}`, id),
    ),
  ];
  const unique = new Map(pairs.map((ends) => [ends.join(">"), ends]));
  return [...unique.values()].filter((ends) => ends.every(isDrawn)).slice(0, MOST_OF_CHOSEN);
}

/** @type {(source: string, target: string) => [string, string]} */
const pair = (source, target) => [source, target];
