// The data of the page: an overview that is read at once, and classes that are unpacked when they are shown.

import { blockText } from "./dom.js";

/** @import {ClassInfo, ClassRecord, Graph, Layer, LayerNode, LayerRecord} from "./records.d.ts" */
/** @import {Overview, Pictures, Role} from "./records.d.ts" */

export const OUTCOME = -1;
export const NECESSARY = "necessary";
export const NOISY = "noisy";
const MOST_HELD = 6;
/** @type {Overview} */
export const overview = JSON.parse(textOf("overview"));
export const ROLES = overview.roles;
/** @type {Map<number, ClassInfo>} */
const infos = new Map(overview.classes.map((info) => [info.target, info]));
/** @type {Map<number, Graph>} */
const held = new Map();

/**
 * Returns the name under which a class is shown.
 * @param {number} target
 * @returns {string}
 */
export function titleOf(target) {
  return overview.names[target] ?? String(target);
}

/**
 * Returns a class's graph, unpacked.
 * @param {number} target
 * @returns {Promise<Graph>}
 */
export async function classOf(target) {
  const found = held.get(target);
  if (found) {
    return found;
  }
  /** @type {ClassRecord} */
  const record = await unpacked(`class-${target}`);
  const [oldest] = held.keys();
  if (held.size >= MOST_HELD) {
    held.delete(oldest);
  }
  const graph = opened(target, record);
  held.set(target, graph);
  return graph;
}

/**
 * Returns the content of a compressed block.
 * @param {string} id
 * @returns {Promise<any>}
 */
export async function unpacked(id) {
  const bytes = bytesOf(textOf(id));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/**
 * Returns bytes from their text in base64.
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/**
 * Returns the pictures and maps of a class.
 * @param {number} target
 * @returns {Pictures}
 */
export function picturesOf(target) {
  const text = blockText(`pictures-${target}`);
  const found = text === null ? {} : JSON.parse(text);
  return { samples: found.samples ?? {}, inputs: found.inputs ?? [] };
}

/**
 * @param {string} id
 * @returns {string}
 */
function textOf(id) {
  const text = blockText(id);
  if (text === null) {
    throw new TypeError(`the page has no data called ${id}`);
  }
  return text;
}

/**
 * @param {number} target
 * @param {ClassRecord} record
 * @returns {Graph}
 */
function opened(target, record) {
  const info = infos.get(target);
  if (!info) {
    throw new RangeError(`the page has no class ${target}`);
  }
  const layers = record.layers.map(openedLayer);
  return { target, info, layers, at: new Map(layers.map((layer) => [layer.at, layer])) };
}

/**
 * @param {LayerRecord} record
 * @param {number} position
 * @returns {Layer}
 */
function openedLayer(record, position) {
  const { at, flow, by, reason, untested, wires, used, through = [] } = record;
  const { name, parents } = overview.layers[at];
  const { counts = [], roles = "", ate = [], low = [], high = [], q = [] } = record;
  const nodes = record.nodes ?? ate.map((_, index) => index);
  return {
    ...{ at, position, name, parents, flow, by, reason, untested, wires, through },
    leftOut: record.left_out === true,
    reached: record.counts !== undefined,
    ...{ counts, roles, ate, low, high, q, used, nodes },
    places: new Map(nodes.map((index, place) => [index, place])),
    samples: new Map((record.samples ?? []).map(([index, ...rest]) => [index, rest])),
    largest: Math.max(0, ...ate.map((each) => Math.abs(each ?? 0))),
    onward: new Map(),
  };
}

/**
 * Returns one node with its numbers; null where the page does not hold them.
 * @param {Graph} graph
 * @param {number} at
 * @param {number} index
 * @returns {LayerNode | null}
 */
export function nodeOf(graph, at, index) {
  const layer = graph.at.get(at);
  const place = layer?.places.get(index);
  if (layer === undefined || place === undefined) {
    return null;
  }
  return {
    at,
    index,
    layer,
    role: ROLES[Number(layer.roles[place])],
    ate: layer.ate[place],
    low: layer.low[place],
    high: layer.high[place],
    q: layer.q[place],
    used: layer.used?.[place] ?? null,
    strength: layer.largest ? Math.abs(layer.ate[place] ?? 0) / layer.largest : 0,
  };
}

/**
 * Returns every node of a layer that the page holds, in the order of their numbers.
 * @param {Graph} graph
 * @param {Layer} layer
 * @returns {LayerNode[]}
 */
export function heldNodes(graph, layer) {
  return layer.nodes.map((index) => nodeOf(graph, layer.at, index)).filter((node) => node !== null);
}

/**
 * Returns the nodes of a layer, the strongest first, of the given roles.
 * @param {Graph} graph
 * @param {Layer} layer
 * @param {Set<Role>} roles
 * @returns {LayerNode[]}
 */
export function nodesOf(graph, layer, roles) {
  const found = heldNodes(graph, layer).filter((node) => roles.has(node.role));
  return found.sort((one, two) => rank(one) - rank(two) || two.strength - one.strength || one.index - two.index);
}

/**
 * @param {LayerNode} node
 * @returns {number}
 */
function rank(node) {
  return ROLES.indexOf(node.role);
}
