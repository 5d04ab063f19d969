// The data of the page: an overview that is read at once, and classes that are unpacked when they are shown.

const OUTCOME = -1;
const MOST_HELD = 6;
const overview = JSON.parse(byId("overview").textContent);
const ROLES = overview.roles;
const [NECESSARY, NOISY] = ["necessary", "noisy"];
const infos = new Map(overview.classes.map((info) => [info.target, info]));
const held = new Map();

/** Returns the name under which a class is shown. */
function titleOf(target) {
  return overview.names[target] ?? String(target);
}

/** Returns a class's graph, unpacked. */
async function classOf(target) {
  if (!held.has(target)) {
    const record = await unpacked(`class-${target}`);
    if (held.size >= MOST_HELD) {
      held.delete(held.keys().next().value);
    }
    held.set(target, opened(target, record));
  }
  return held.get(target);
}

/** Returns the content of a compressed block. */
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

/** Returns the pictures and maps of a class: `samples` by position, and `inputs`. */
function picturesOf(target) {
  const block = byId(`pictures-${target}`);
  const found = block ? JSON.parse(block.textContent) : {};
  return { samples: found.samples ?? {}, inputs: found.inputs ?? [] };
}

function opened(target, record) {
  const graph = { target, info: infos.get(target), layers: record.layers, at: new Map() };
  graph.layers.forEach((layer, position) => {
    layer.position = position;
    layer.name = overview.layers[layer.at].name;
    layer.parents = overview.layers[layer.at].parents;
    layer.reached = layer.counts !== undefined;
    layer.nodes ??= layer.reached ? layer.ate.map((_, index) => index) : [];
    layer.places = new Map(layer.nodes.map((index, place) => [index, place]));
    layer.samples = new Map((layer.samples ?? []).map(([index, ...rest]) => [index, rest]));
    layer.largest = Math.max(0, ...(layer.ate ?? []).map((ate) => Math.abs(ate ?? 0)));
    graph.at.set(layer.at, layer);
  });
  return graph;
}

/** Returns one node with its numbers; null where the page does not hold them. */
function nodeOf(graph, at, index) {
  const layer = graph.at.get(at);
  const place = layer?.places.get(index);
  if (place === undefined) {
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

/** Returns the nodes of a layer, the strongest first, of the given roles. */
function nodesOf(graph, layer, roles) {
  const found = layer.nodes.map((index) => nodeOf(graph, layer.at, index)).filter((node) => roles.has(node.role));
  return found.sort((one, two) => rank(one) - rank(two) || two.strength - one.strength || one.index - two.index);
}

function rank(node) {
  return ROLES.indexOf(node.role);
}

/** Returns what a necessary node leads to: `[layer number or OUTCOME, node]` pairs. */
function leadsTo(graph, at, index) {
  const layer = graph.at.get(at);
  if (!layer.wires) {
    return [];
  }
  layer.onward ??= new Map();
  const key = layer.wires.paths ? index : "every";
  if (!layer.onward.has(key)) {
    const children = layer.wires.paths ? new Set(layer.wires.paths[index] ?? []) : null;
    layer.onward.set(key, onward(graph, layer, children));
  }
  return layer.onward.get(key);
}

function onward(graph, layer, children) {
  const ends = new Map();
  for (const [from, reached] of layer.wires.ends) {
    if (children === null || from.some((child) => children.has(child))) {
      for (const [position, nodes] of reached) {
        const at = position === OUTCOME ? OUTCOME : graph.layers[position].at;
        nodes.forEach((node) => ends.set(`${at}.${node}`, [at, node]));
      }
    }
  }
  return [...ends.values()];
}

/** Returns the necessary nodes that lead to a node, or to the outcome. */
function fedBy(graph, at, index) {
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

/** Returns the children of layers above that become a node: `[layer number, child]` pairs. */
function childrenOf(graph, at, index) {
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
