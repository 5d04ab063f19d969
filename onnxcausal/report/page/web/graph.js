// The drawing of the graph, by Cytoscape.js.

const [MARGIN, LOWEST, TALLEST] = [16, 240, 640];
let cy = null;
let drawn = null;

/** Sets up the drawing and its buttons. */
function setUpGraph() {
  cy = cytoscape({
    container: byId("canvas"),
    layout: { name: "preset" },
    style: styleOfGraph(),
    minZoom: 0.05,
    maxZoom: 4,
    boxSelectionEnabled: false,
    autoungrabify: true,
    autounselectify: true,
  });
  // The wheel scrolls the page; with Ctrl it zooms the graph.
  byId("canvas").parentElement.addEventListener("wheel", (event) => event.ctrlKey || event.stopPropagation(), {
    capture: true,
  });
  cy.on("tap", "node", (event) => tapped(event.target));
  cy.on("tap", (event) => event.target === cy && letGo());
  cy.on("mouseover", "node", (event) => tip(event.target));
  cy.on("mouseout", "node", () => tip(null));
  cy.on("pan zoom", () => tip(null));
  byId("canvas").addEventListener("mouseleave", () => tip(null));
  byId("zoom-in").addEventListener("click", () => zoom(1.3));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 1.3));
  byId("fit").addEventListener("click", fit);
  byId("unfold").addEventListener("click", () => toggleAll(true));
  byId("fold").addEventListener("click", () => toggleAll(false));
  onChange("view", drawGraph);
  onChange("chosen", showChosen);
  onChange("theme", () => cy.style(styleOfGraph()));
  new ResizeObserver(() => cy.resize()).observe(byId("canvas"));
}

/** Zooms about the middle of what is seen. */
function zoom(factor) {
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

/** Shows the whole graph. */
function fit() {
  cy.resize();
  cy.fit(undefined, MARGIN);
  if (drawn) {
    tellDrawn(drawn);
  }
}

/** Shows a new graph: all of it, or its top where it is too tall to be read whole. */
function begin() {
  cy.resize();
  const box = cy.elements().boundingBox();
  const least = Math.min(1, (cy.width() - 2 * MARGIN) / box.w);
  byId("canvas").style.height = `${Math.max(LOWEST, Math.min(TALLEST, box.h * least + 2 * MARGIN))}px`;
  fit();
  if (cy.zoom() < 0.6 * least) {
    cy.zoom(least);
    cy.pan({ x: MARGIN - box.x1 * least, y: MARGIN - box.y1 * least });
  }
}

/** Returns the whole graph as a picture, for paper. */
function pictureOfGraph() {
  return cy.png({ full: true, bg: colour("paper"), maxWidth: 2400, maxHeight: 4800 });
}

function drawGraph() {
  const scene = placed(state.other ? comparedScene(state.graph, state.other) : sceneOf(state.graph), cy.width());
  const nodes = [
    {
      data: { id: "outcome", label: scene.title, width: 12 * scene.title.length + 16 },
      position: scene.top,
      classes: "outcome",
    },
  ];
  for (const band of scene.bands) {
    nodes.push(...elementsOf(band, scene));
  }
  const edges = scene.edges.kept.map((edge) => ({ data: edge, classes: edge.kind }));
  const before = { zoom: cy.zoom(), pan: { ...cy.pan() }, isSame: cy.scratch("target") === sceneName() };
  cy.batch(() => {
    cy.elements().remove();
    cy.add(nodes);
    cy.add(
      edges.filter((edge) => cy.getElementById(edge.data.source).length && cy.getElementById(edge.data.target).length),
    );
  });
  cy.scratch("target", sceneName());
  if (before.isSame) {
    cy.viewport({ zoom: before.zoom, pan: before.pan });
  } else {
    begin();
  }
  drawLegend(state.other ? COMPARED : ROLES);
  drawn = scene;
  tellDrawn(scene);
  showChosen();
}

function sceneName() {
  return `${state.graph.target}/${state.other?.target ?? ""}`;
}

function elementsOf(band, { width, align }) {
  const { name, told, x, y } = band.label;
  const found = [
    {
      data: { id: `s${band.at}`, width: width + 20, height: band.height },
      position: { x: width / 2, y: band.middle },
      classes: "strip",
    },
    {
      data: { id: `l${band.at}`, at: band.at, align, label: `${band.open ? "▾" : "▸"} ${name}\n${told}` },
      position: { x, y },
      classes: "label",
    },
  ];
  if (!band.open) {
    const bar = { id: `b${band.at}`, at: band.at, width: width - 40, label: "closed: click to open" };
    return [...found, { data: bar, position: { x: width / 2, y: band.middle }, classes: "bar" }];
  }
  for (const { strength, kind, ...data } of band.nodes) {
    found.push({
      data: { ...data, kind, label: String(data.index), size: 12 + 20 * Math.sqrt(strength), shape: SHAPES[kind] },
      position: { x: data.x, y: data.y - 5 },
      classes: `node ${kind}`,
    });
  }
  if (band.hidden) {
    const label = `+${band.hidden.toLocaleString("en")}`;
    found.push({ data: { id: `m${band.at}`, label }, position: band.more, classes: "more" });
  }
  return found;
}

function styleOfGraph() {
  const ink = colour("ink");
  const kinds = Object.keys(SHAPES).map((kind) => ({
    selector: `node.${kind}`,
    style: { "background-color": colour(kind) },
  }));
  return [
    {
      selector: "node",
      style: { label: "data(label)", color: ink, "font-size": 12, "min-zoomed-font-size": 6, "border-width": 0 },
    },
    {
      selector: "node.node",
      style: {
        shape: "data(shape)",
        width: "data(size)",
        height: "data(size)",
        "text-valign": "bottom",
        "text-margin-y": 1,
        "border-width": 1,
        "border-color": ink,
        "border-opacity": 0.45,
      },
    },
    ...kinds,
    { selector: "node.dead", style: { "background-opacity": 0.35 } },
    {
      selector: "node.strip",
      style: {
        shape: "round-rectangle",
        width: "data(width)",
        height: "data(height)",
        "background-color": colour("panel"),
        label: "",
        events: "no",
        "z-index-compare": "manual",
        "z-index": -2,
      },
    },
    {
      selector: "node.label",
      style: {
        shape: "rectangle",
        width: 1,
        height: 24,
        "background-opacity": 0,
        "text-halign": "data(align)",
        "text-valign": "center",
        "text-wrap": "wrap",
        "font-size": 17,
        "line-height": 1.15,
        "text-events": "yes",
      },
    },
    {
      selector: "node.bar",
      style: {
        shape: "round-rectangle",
        width: "data(width)",
        height: 24,
        "background-color": colour("line"),
        "text-valign": "center",
        "font-size": 12,
      },
    },
    {
      selector: "node.more",
      style: { "background-opacity": 0, "text-valign": "center", events: "no", "font-size": 11 },
    },
    {
      selector: "node.outcome",
      style: {
        shape: "round-rectangle",
        width: "data(width)",
        height: 34,
        "background-color": ink,
        color: colour("paper"),
        "text-valign": "center",
        "font-size": 17,
      },
    },
    {
      selector: "edge",
      style: {
        "curve-style": "straight",
        "line-color": colour("necessary"),
        width: "mapData(strength, 0, 1, 0.5, 3.5)",
        opacity: "mapData(strength, 0, 1, 0.1, 0.5)",
        events: "no",
        "z-index-compare": "manual",
        "z-index": -1,
      },
    },
    { selector: "edge.own", style: { "line-color": colour("own") } },
    { selector: "edge.others", style: { "line-color": colour("others"), "line-style": "dashed" } },
    { selector: ".faint", style: { opacity: 0.18 } },
    { selector: "edge.of-chosen", style: { width: 2.2, opacity: 0.9, "line-color": colour("focus") } },
    { selector: "node.chosen", style: { "border-width": 4, "border-color": colour("focus"), "border-opacity": 1 } },
  ];
}

function tapped(element) {
  const at = element.data("at");
  if (element.hasClass("node")) {
    choose(at, element.data("index"));
  } else if (element.hasClass("outcome")) {
    choose(OUTCOME, state.graph.target);
  } else if (at !== undefined) {
    toggle(at);
  }
}

/** Shows beside a node of the drawing what it is; null shows nothing. */
function tip(element) {
  const box = byId("tip");
  box.hidden = element === null || !(element.hasClass("node") || element.hasClass("label"));
  if (box.hidden) {
    return;
  }
  const at = element.data("at");
  const lines = element.hasClass("node")
    ? toldOf(at, element.data("index"))
    : [overview.layers[at].name, "click to open or close"];
  fill(box, ...lines.map((line) => el("div", {}, line)));
  const { x, y } = element.renderedPosition();
  box.style.left = `${Math.max(0, Math.min(x + 16, cy.width() - box.offsetWidth - 8))}px`;
  box.style.top = `${Math.max(0, y > cy.height() / 2 ? y - box.offsetHeight - 16 : y + 16)}px`;
}

/** Returns what is told of a node in few lines. */
function toldOf(at, index) {
  const lines = [`node ${index} of ${overview.layers[at].name}`];
  for (const graph of [state.graph, state.other].filter(Boolean)) {
    const node = nodeOf(graph, at, index);
    const whose = state.other ? `class ${graph.info.title}: ` : "";
    const effect = node?.ate === null || !node ? "" : `, effect ${signed(node.ate)} (${interval(node.low, node.high)})`;
    lines.push(`${whose}${node?.role ?? "not held in this page"}${effect}`);
  }
  return lines;
}

function showChosen() {
  const isDrawn = (id) => cy.getElementById(id).length > 0;
  cy.batch(() => {
    cy.elements(".of-chosen").remove();
    cy.elements().removeClass("faint chosen");
    const id = state.chosen && idOf(state.chosen.at, state.chosen.index);
    if (!id || !isDrawn(id)) {
      return;
    }
    const pairs = edgesOfChosen(state.graph, isDrawn);
    const near = new Set([id, ...pairs.flat()]);
    cy.elements("edge").addClass("faint");
    cy.nodes(".node").forEach((node) => near.has(node.id()) || node.addClass("faint"));
    cy.add(
      pairs.map(([source, target]) => ({
        data: { id: `c:${source}>${target}`, source, target, strength: 1 },
        classes: "of-chosen",
      })),
    );
    cy.getElementById(id).addClass("chosen");
  });
}

function drawLegend(kinds) {
  const used = kinds.filter((kind) => cy.nodes(`.${kind}`).length > 0);
  const words = state.other ? comparedWords() : {};
  fill(byId("legend"), ...used.map((kind) => el("span", {}, mark(kind), words[kind] ?? kind)));
}

/** Returns the shape and colour of a kind of node as a small picture. */
function mark(kind) {
  const points = {
    diamond: "7,1 13,7 7,13 1,7",
    rectangle: "2,2 12,2 12,12 2,12",
    "round-rectangle": "3,2 11,2 12,3 12,11 11,12 3,12 2,11 2,3",
    triangle: "7,1 13,12 1,12",
    vee: "1,2 7,6 13,2 7,13",
    pentagon: "7,1 13,6 11,13 3,13 1,6",
    hexagon: "4,1 10,1 13,7 10,13 4,13 1,7",
  }[SHAPES[kind]];
  const paint = { fill: `var(--${kind})`, stroke: "var(--ink)" };
  const shape = points ? svg("polygon", { points, style: paint }) : svg("circle", { cx: 7, cy: 7, r: 6, style: paint });
  return svg("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, shape);
}

function tellDrawn(scene) {
  const hidden = scene.bands.reduce((sum, band) => sum + band.hidden, 0);
  const unreached = state.graph.layers.length - scene.bands.length;
  const nodes = scene.bands.reduce((sum, band) => sum + band.nodes.length, 0);
  const parts = [`${counted(nodes, "node")} and ${counted(scene.edges.kept.length, "edge")} drawn`];
  if (hidden) {
    parts.push(`${counted(hidden, "weaker node")} not drawn (in the table)`);
  }
  if (scene.edges.left) {
    parts.push(`${counted(scene.edges.left, "weaker edge")} not drawn: choose a node to see all of its own`);
  }
  if (!state.graph.layers.some((layer) => layer.wires)) {
    parts.push("no edges: the folder holds no GraphML file of this class");
  }
  if (unreached) {
    parts.push(`${counted(unreached, "layer")} not reached`);
  }
  if (cy.elements().renderedBoundingBox().h > cy.height()) {
    parts.push("the graph goes on below: drag it, or choose Whole graph");
  }
  byId("drawn").textContent = `${parts.join("; ")}.`;
}
