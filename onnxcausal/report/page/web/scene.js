// What the graph shows of one class: layers open or closed, their nodes, the strongest edges.

const MOST_NODES = 130;
const MOST_EDGES = 360;
const LEAST_EDGES = 30;
const MOST_OF_CHOSEN = 400;
const SHAPES = {
  necessary: "ellipse",
  noisy: "diamond",
  minor: "rectangle",
  neutral: "triangle",
  dead: "vee",
  untested: "pentagon",
  own: "ellipse",
  others: "hexagon",
  shared: "round-rectangle",
};

/** Returns the id of a node in the drawing. */
function idOf(at, index) {
  return at === OUTCOME ? "outcome" : `n${at}.${index}`;
}

/** Returns the scene of one class. */
function sceneOf(graph) {
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

/** Returns the label of a layer. */
function bandLabel(layer) {
  const flow = layer.flow === "tracked" ? "" : ` (flow ${layer.flow})`;
  return `${short(layer.name, 26)}${flow}`;
}

/** Returns how many nodes of a layer are necessary and noisy. */
function countsTold(layer) {
  const [necessary, noisy] = layer.counts;
  return `${necessary} necessary, ${noisy} noisy of ${layer.parents}`;
}

/** Returns the strongest edges between what is drawn; ends in closed layers are the layers themselves. */
function edgesOf(graph, bands, kind, most) {
  const drawn = new Map(
    bands.filter((band) => band.open).map((band) => [band.at, new Set(band.nodes.map((node) => node.index))]),
  );
  drawn.set(OUTCOME, new Set([graph.target]));
  const isShown = (at, index) => drawn.get(at)?.has(index) ?? true;
  const place = (at, index) => (drawn.has(at) ? idOf(at, index) : `b${at}`);
  const layers = graph.layers.filter((layer) => layer.wires);
  const share = Math.max(LEAST_EDGES, Math.floor(most / Math.max(1, layers.length)));
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

/** Returns what a node leads to, weighed by the strength of both ends. */
function pairsOf(graph, node, isShown) {
  return leadsTo(graph, node.at, node.index)
    .filter((end) => isShown(...end))
    .map(([at, index]) => {
      const below = at === OUTCOME ? null : graph.at.get(at);
      const size = below ? Math.abs(below.ate[below.places.get(index)] ?? 0) / (below.largest || 1) : 1;
      return { node, at, index, weight: node.strength * size };
    });
}

/** Returns the edges of the chosen node, drawn or not among the strongest. */
function edgesOfChosen(graph, isDrawn) {
  const { at, index } = state.chosen;
  const id = idOf(at, index);
  const below = at === OUTCOME ? [] : nodeOf(graph, at, index)?.role === NECESSARY ? leadsTo(graph, at, index) : [];
  const pairs = [
    ...below.map(([to, node]) => [id, state.open.has(to) || to === OUTCOME ? idOf(to, node) : `b${to}`]),
    ...fedBy(graph, at, index).map((node) => [state.open.has(node.at) ? idOf(node.at, node.index) : `b${node.at}`, id]),
  ];
  const unique = new Map(pairs.map((pair) => [pair.join(">"), pair]));
  return [...unique.values()].filter((pair) => pair.every(isDrawn)).slice(0, MOST_OF_CHOSEN);
}
