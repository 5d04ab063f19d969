// Two classes beside each other: the nodes that are necessary for one, for the other, for both.

import { NECESSARY, nodesOf, overview } from "../data.js";
import { short } from "../format.js";
import { MOST_EDGES, MOST_NODES, edgesOf, idOf } from "../graph/scene.js";
import { state } from "../state.js";

/** @import {Graph} from "../records.d.ts" */
/** @import {Scene} from "../graph/scene.js" */

/** @typedef {"own" | "others" | "shared"} ComparedKind */
/** @typedef {{at: number, index: number, kind: ComparedKind, strength: number}} ComparedNode */

/** @type {ComparedKind[]} */
export const COMPARED = ["own", "others", "shared"];

/**
 * Returns what the kinds of nodes mean.
 * @param {Graph} first
 * @param {Graph} second
 * @returns {Record<ComparedKind, string>}
 */
export function comparedWords(first, second) {
  const [one, two] = [first.info.title, second.info.title];
  return { own: `necessary for ${one} only`, others: `necessary for ${two} only`, shared: "necessary for both" };
}

/**
 * Returns the necessary nodes of a layer for either class, the strongest first, with their kind.
 * @param {Graph} one
 * @param {Graph} two
 * @param {number} at
 * @returns {ComparedNode[]}
 */
export function comparedNodes(one, two, at) {
  const [mine, theirs] = [one, two].map((graph) => {
    const layer = graph.at.get(at);
    return new Map(layer?.reached ? nodesOf(graph, layer, new Set([NECESSARY])).map((node) => [node.index, node]) : []);
  });
  const nodes = [...new Set([...mine.keys(), ...theirs.keys()])].map((index) => {
    const [own, others] = [mine.get(index), theirs.get(index)];
    const strength = Math.max(own?.strength ?? 0, others?.strength ?? 0);
    /** @type {ComparedKind} */
    const kind = own && others ? "shared" : own ? "own" : "others";
    return { at, index, kind, strength };
  });
  const order = ["shared", "own", "others"];
  return nodes.sort(
    (a, b) => order.indexOf(a.kind) - order.indexOf(b.kind) || b.strength - a.strength || a.index - b.index,
  );
}

/**
 * Returns the scene of two classes.
 * @param {Graph} one
 * @param {Graph} two
 * @returns {Scene}
 */
export function comparedScene(one, two) {
  const reached = overview.layers.map((_, at) => at).filter((at) => one.at.get(at)?.reached || two.at.get(at)?.reached);
  const bands = reached.map((at) => {
    const open = state.open.has(at);
    const all = comparedNodes(one, two, at);
    const nodes = open ? all.slice(0, MOST_NODES).map((node) => ({ ...node, id: idOf(at, node.index) })) : [];
    const [own, others, shared] = COMPARED.map((kind) => all.filter((node) => node.kind === kind).length);
    return {
      at,
      open,
      hidden: open ? all.length - nodes.length : 0,
      label: { name: short(overview.layers[at].name, 26), told: `${shared} shared, ${own} and ${others} own` },
      nodes,
    };
  });
  const edges = [edgesOf(one, bands, "own", MOST_EDGES / 2), edgesOf(two, bands, "others", MOST_EDGES / 2)];
  return {
    title: `class ${short(one.info.title, 30)} and class ${short(two.info.title, 30)}`,
    bands,
    edges: { kept: edges.flatMap((each) => each.kept), left: edges[0].left + edges[1].left },
  };
}

/**
 * Returns in a sentence what two classes share.
 * @param {Graph} one
 * @param {Graph} two
 * @returns {string}
 */
export function comparedTold(one, two) {
  const all = overview.layers.flatMap((_, at) => comparedNodes(one, two, at));
  const [own, others, shared] = COMPARED.map((kind) => all.filter((node) => node.kind === kind).length);
  return (
    `Of the nodes necessary for class ${one.info.title} (${own + shared}) and for class ${two.info.title} ` +
    `(${others + shared}), ${shared} are the same; ${own} are necessary for the first alone, ${others} for the second.`
  );
}
