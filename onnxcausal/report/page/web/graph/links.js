// How nodes are joined: what each leads to, and what feeds it.

import { NECESSARY, OUTCOME, nodesOf } from "../data.js";

/** @import {End, Graph, LayerNode, Wires} from "../records.d.ts" */

/**
 * Returns what a necessary node leads to.
 * @param {Graph} graph
 * @param {number} at
 * @param {number} index
 * @returns {End[]}
 */
export function leadsTo(graph, at, index) {
  const layer = graph.at.get(at);
  if (!layer?.wires) {
    return [];
  }
  const { paths } = layer.wires;
  const key = paths ? index : "every";
  const found = layer.onward.get(key) ?? onward(graph, layer.wires, paths ? new Set(paths[index] ?? []) : null);
  layer.onward.set(key, found);
  return found;
}

/**
 * @param {Graph} graph
 * @param {Wires} wires
 * @param {Set<number> | null} children those there are paths to; null: all
 * @returns {End[]}
 */
function onward(graph, wires, children) {
  /** @type {Map<string, End>} */
  const ends = new Map();
  for (const [from, reached] of wires.ends) {
    if (children === null || from.some((child) => children.has(child))) {
      for (const [position, nodes] of reached) {
        const at = position === OUTCOME ? OUTCOME : graph.layers[position].at;
        nodes.forEach((node) => ends.set(`${at}.${node}`, [at, node]));
      }
    }
  }
  return [...ends.values()];
}

/**
 * Returns the necessary nodes that lead to a node, or to the outcome.
 * @param {Graph} graph
 * @param {number} at
 * @param {number} index
 * @returns {LayerNode[]}
 */
export function fedBy(graph, at, index) {
  const found = [];
  for (const layer of graph.layers) {
    if (layer.wires) {
      for (const node of nodesOf(graph, layer, new Set([NECESSARY]))) {
        if (leadsTo(graph, layer.at, node.index).some((end) => end[0] === at && (at === OUTCOME || end[1] === index))) {
          found.push(node);
        }
      }
    }
  }
  return found;
}

/**
 * Returns the children of layers above that become a node.
 * @param {Graph} graph
 * @param {number} at
 * @param {number} index
 * @returns {End[]} layers and their children
 */
export function childrenOf(graph, at, index) {
  /** @type {End[]} */
  const found = [];
  for (const layer of graph.layers) {
    for (const [children, reached] of layer.wires?.ends ?? []) {
      const becomes = reached.some(
        ([position, nodes]) => position !== OUTCOME && graph.layers[position].at === at && nodes.includes(index),
      );
      if (becomes) {
        children.forEach((child) => found.push([layer.at, child]));
      }
    }
  }
  return found;
}
