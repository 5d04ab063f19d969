// Finding nodes by layer and number.

import { nodeOf, nodesOf, overview } from "../data.js";
import { button, byId, el, fill, ofKind, say } from "../dom.js";
import { counted, signed } from "../format.js";
import { choose, shownGraph, state } from "../state.js";

/** @import {LayerNode} from "../records.d.ts" */

const MOST_FOUND = 12;

/** Lets nodes of the shown class be found by name and number. */
export function setUpSearch() {
  const box = ofKind("search", HTMLInputElement);
  const show = () => showFound(box.value);
  box.addEventListener("input", show);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      byId("found").querySelector("button")?.click();
    } else if (event.key === "Escape") {
      box.value = "";
      show();
    }
  });
}

/** @param {string} text */
function showFound(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? matching(words) : [];
  const items = found.slice(0, MOST_FOUND).map((node) =>
    el(
      "li",
      {},
      button(
        `node ${node.index} of ${node.layer.name}: ${node.role}, ${signed(node.ate)}`,
        () => choose(node.at, node.index),
        { class: "plain" },
      ),
    ),
  );
  const none = overview.keep === null ? "nothing found" : "nothing found among the nodes that this page holds";
  const more = found.length > MOST_FOUND ? `and ${found.length - MOST_FOUND} more` : null;
  const rest = words.length && !found.length ? none : more;
  fill(byId("found"), ...items, rest && el("li", {}, rest));
  byId("found").hidden = words.length === 0;
  say(words.length ? `${counted(found.length, "node")} found` : "");
}

/**
 * Returns the nodes whose layer holds every word that is no number, and whose number is that given, if one is.
 * @param {string[]} words
 * @returns {LayerNode[]}
 */
function matching(words) {
  const graph = shownGraph();
  const number = words.find((word) => /^\d+$/.test(word));
  const names = words.filter((word) => word !== number && word !== "node" && word !== "of");
  return graph.layers
    .filter((layer) => layer.reached && names.every((word) => layer.name.toLowerCase().includes(word)))
    .flatMap((layer) =>
      number === undefined ? nodesOf(graph, layer, state.roles) : [nodeOf(graph, layer.at, Number(number))],
    )
    .filter((node) => node !== null)
    .sort((one, two) => Math.abs(two.ate ?? 0) - Math.abs(one.ate ?? 0));
}
