// What is shown now; parts of the page listen for its changes.

import { NECESSARY, NOISY, OUTCOME, classOf, nodeOf } from "./data.js";

/** @import {Graph, Role} from "./records.d.ts" */

export const DEEP = 10;
const OPEN_IN_DEEP = 3;

/**
 * @typedef {object} State
 * @property {Graph | null} graph the class that is shown; null until the first one is unpacked
 * @property {Graph | null} other the class it is compared with
 * @property {Set<Role>} roles roles whose nodes are drawn
 * @property {Set<number>} open layers that are drawn open
 * @property {{at: number, index: number} | null} chosen the node that is told of
 */

/** @typedef {"class" | "view" | "chosen" | "theme"} Change */

/** @type {State} */
export const state = {
  graph: null,
  other: null,
  roles: new Set([NECESSARY, NOISY]),
  open: new Set(),
  chosen: null,
};
/** @type {Record<Change, (() => void)[]>} */
const listeners = { class: [], view: [], chosen: [], theme: [] };
let asked = 0;

/**
 * Returns the class that is shown; to be asked for only once there is one.
 * @returns {Graph}
 */
export function shownGraph() {
  if (!state.graph) {
    throw new TypeError("no class is shown yet");
  }
  return state.graph;
}

/**
 * Returns the class that is shown, and the one it is compared with, if there is one.
 * @returns {Graph[]}
 */
export function shownGraphs() {
  return state.other ? [shownGraph(), state.other] : [shownGraph()];
}

/**
 * Calls a function whenever what it names changes: the class, the view of it, the chosen node, the theme.
 * @param {Change} what
 * @param {() => void} act
 */
export function onChange(what, act) {
  listeners[what].push(act);
}

/**
 * Tells those who listen that something has changed.
 * @param {Change} what
 */
export function changed(what) {
  listeners[what].forEach((act) => act());
}

/**
 * Shows a class.
 * @param {number} target
 * @param {number | null} other the class beside it
 * @returns {Promise<void>}
 */
export async function showClass(target, other) {
  const mine = ++asked;
  const graphs = await Promise.all([classOf(target), other === null ? null : classOf(other)]);
  if (mine !== asked) {
    return; // another class was asked for meanwhile
  }
  [state.graph, state.other] = graphs;
  state.chosen = null;
  state.open = atFirstOpen(graphs[0]);
  changed("class");
  changed("view");
  changed("chosen");
}

/**
 * @param {Graph} graph
 * @returns {Set<number>}
 */
function atFirstOpen(graph) {
  const reached = reachedLayers(graph);
  return new Set(reached.length > DEEP ? reached.slice(0, OPEN_IN_DEEP) : reached);
}

/**
 * @param {Graph} graph
 * @returns {number[]}
 */
function reachedLayers(graph) {
  return graph.layers.filter((layer) => layer.reached).map((layer) => layer.at);
}

/**
 * Opens or closes a layer in the graph.
 * @param {number} at
 */
export function toggle(at) {
  if (!state.open.delete(at)) {
    state.open.add(at);
  }
  changed("view");
}

/**
 * Opens or closes all layers.
 * @param {boolean} open
 */
export function toggleAll(open) {
  state.open = new Set(open ? reachedLayers(shownGraph()) : []);
  changed("view");
}

/**
 * Draws nodes of a role, or leaves them out.
 * @param {Role} role
 * @param {boolean} isDrawn
 */
export function drawRole(role, isDrawn) {
  if (isDrawn) {
    state.roles.add(role);
  } else {
    state.roles.delete(role);
  }
  changed("view");
}

/**
 * Chooses a node, and opens its layer and shows its role where they are not shown.
 * @param {number} at
 * @param {number} index
 */
export function choose(at, index) {
  const node =
    at === OUTCOME ? null : (nodeOf(shownGraph(), at, index) ?? (state.other && nodeOf(state.other, at, index)));
  state.chosen = { at, index };
  if (node && (!state.open.has(at) || !(state.other || state.roles.has(node.role)))) {
    state.open.add(at);
    state.roles.add(node.role);
    changed("view");
  }
  changed("chosen");
}

/** Lets go of the chosen node. */
export function letGo() {
  state.chosen = null;
  changed("chosen");
}
