// What is told of a node in few lines.

import { nodeOf, overview } from "./data.js";
import { interval, signed } from "./format.js";
import { shownGraphs, state } from "./state.js";

/**
 * Returns what is told of a node in few lines: its name, and its role and effect for each class that is shown.
 * @param {number} at
 * @param {number} index
 * @returns {string[]}
 */
export function toldOf(at, index) {
  const lines = [`node ${index} of ${overview.layers[at].name}`];
  for (const graph of shownGraphs()) {
    const node = nodeOf(graph, at, index);
    const whose = state.other ? `class ${graph.info.title}: ` : "";
    const effect = node?.ate === null || !node ? "" : `, effect ${signed(node.ate)} (${interval(node.low, node.high)})`;
    lines.push(`${whose}${node?.role ?? "not held in this page"}${effect}`);
  }
  return lines;
}
