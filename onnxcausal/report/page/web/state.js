// What is shown now; parts of the page listen for its changes.

const DEEP = 10;
const OPEN_IN_DEEP = 3;
const state = {
  graph: null,
  other: null,
  roles: new Set([NECESSARY, NOISY]),
  open: new Set(),
  chosen: null,
};
const listeners = { class: [], view: [], chosen: [], theme: [] };
let asked = 0;

/** Calls a function whenever what it names changes: the class, the view of it, the chosen node, the theme. */
function onChange(what, act) {
  listeners[what].push(act);
}

function changed(what) {
  listeners[what].forEach((act) => act());
}

/** Shows a class, beside another one if `other` is not null. */
async function showClass(target, other) {
  const mine = ++asked;
  const graphs = await Promise.all([classOf(target), other === null ? null : classOf(other)]);
  if (mine !== asked) {
    return; // another class was asked for meanwhile
  }
  [state.graph, state.other] = graphs;
  state.chosen = null;
  state.open = atFirstOpen(state.graph);
  changed("class");
  changed("view");
  changed("chosen");
}

function atFirstOpen(graph) {
  const reached = graph.layers.filter((layer) => layer.reached).map((layer) => layer.at);
  return new Set(reached.length > DEEP ? reached.slice(0, OPEN_IN_DEEP) : reached);
}

/** Opens or closes a layer in the graph. */
function toggle(at) {
  if (!state.open.delete(at)) {
    state.open.add(at);
  }
  changed("view");
}

/** Opens or closes all layers. */
function toggleAll(open) {
  state.open = new Set(open ? state.graph.layers.filter((layer) => layer.reached).map((layer) => layer.at) : []);
  changed("view");
}

/** Chooses a node, and opens its layer and shows its role where they are not shown. */
function choose(at, index) {
  const node =
    at === OUTCOME ? null : (nodeOf(state.graph, at, index) ?? (state.other && nodeOf(state.other, at, index)));
  state.chosen = { at, index };
  if (node && (!state.open.has(at) || !(state.other || state.roles.has(node.role)))) {
    state.open.add(at);
    state.roles.add(node.role);
    changed("view");
  }
  changed("chosen");
}

/** Lets go of the chosen node. */
function letGo() {
  state.chosen = null;
  changed("chosen");
}
