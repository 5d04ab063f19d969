// What is told of one node: its effects, its samples, its maps, what it is joined to.

const MEANING = {
  necessary: "Without it the score of the class falls; it is among the strongest of those.",
  noisy: "Without it the score of the class rises: it speaks against the class.",
  minor: "It has an effect, but a weak one beside the strongest.",
  neutral: "Its effect could not be told from chance.",
  dead: "It contributes exactly nothing on every sample.",
  untested: "It was left out by the budget of interventions.",
};
const MOST_LINKS = 12;

/** Keeps the panel beside the graph. */
function setUpNode() {
  onChange("chosen", drawNode);
}

function drawNode() {
  const title = byId("node-title");
  const body = byId("node-body");
  if (!state.chosen) {
    title.textContent = "A node";
    fill(body, el("p", {}, "Choose a node in the graph or in the table below to see what it does."));
    return;
  }
  const { at, index } = state.chosen;
  if (at === OUTCOME) {
    title.textContent = `Class ${state.graph.info.title}`;
    fill(body, ...outcomeParts());
    return;
  }
  title.textContent = `Node ${index} of ${overview.layers[at].name}`;
  const parts = [state.graph, state.other].filter(Boolean).flatMap((graph) => partsOf(graph, at, index));
  fill(body, ...parts, button("Let go", letGo));
  say(toldOf(at, index).join(", "));
}

function outcomeParts() {
  const info = state.graph.info;
  return [
    facts([
      ["mean score", shown(info.mean)],
      ["standard deviation", shown(info.sd)],
      ["samples", `${info.samples}`],
      ["tensor", info.tensor],
      ["float noise", `effects below ${shown(info.floor)} count as 0`],
    ]),
    ...linkParts(
      "It is fed by",
      fedBy(state.graph, OUTCOME, info.target).map((node) => [node.at, node.index]),
    ),
  ];
}

function partsOf(graph, at, index) {
  const node = nodeOf(graph, at, index);
  const heading = state.other ? [el("h4", {}, `Class ${graph.info.title}`)] : [];
  if (!node) {
    return [...heading, el("p", {}, "Its numbers are not held in this page; analysis.json has them.")];
  }
  return [
    ...heading,
    el("p", {}, mark(node.role), ` ${node.role}. ${MEANING[node.role]}`),
    node.ate === null ? null : effectFacts(graph, node),
    ...sampleParts(graph, node),
    ...mapParts(graph, node),
    ...(node.role === NECESSARY ? linkParts("It leads to", leadsTo(graph, at, index)) : []),
    ...linkParts(
      "It is fed by",
      fedBy(graph, at, index).map((each) => [each.at, each.index]),
    ),
  ];
}

function effectFacts(graph, node) {
  const { mean, sd, samples } = graph.info;
  const verb = overview.beta > 0 ? `weakened to ${shown(overview.beta)} of their weights` : "removed";
  return facts([
    [`effect with its paths ${verb}`, signed(node.ate)],
    [`interval at level ${shown(1 - overview.alpha)}`, interval(node.low, node.high)],
    ["share of the mean score", mean ? percent(node.ate / Math.abs(mean)).replace(/^(?=[\d])/, "+") : "–"],
    ["d (standard deviations)", sd ? signed(node.ate / sd) : "–"],
    ["q", shown(node.q, 2)],
    ["samples", String(node.used ?? samples)],
  ]);
}

function sampleParts(graph, node) {
  const told = node.layer.samples.get(node.index);
  if (!told) {
    return [];
  }
  const [quartiles, samples] = told;
  const { samples: pictures } = picturesOf(graph.target);
  const items = samples.map(([position, effect]) =>
    el(
      "li",
      {},
      pictures[position] ? el("img", { src: pictures[position], alt: `sample ${position}` }) : null,
      `sample ${position}: ${signed(effect)}`,
    ),
  );
  return [
    el("h4", {}, "Its effect over the samples"),
    box(quartiles),
    el("h4", {}, node.role === NECESSARY ? "Samples that need it most" : "Samples it hurts most"),
    el("ul", { class: "thumbs" }, ...items),
  ];
}

function mapParts(graph, node) {
  const children = new Map(childrenOf(graph, node.at, node.index).map(([at, child]) => [`${at}.${child}`, true]));
  const shownMaps = [];
  for (const input of picturesOf(graph.target).inputs) {
    for (const { child, map } of input.nodes) {
      if (children.has(`${input.layer}.${child}`)) {
        shownMaps.push(el("li", {}, drawMap(map, `response to ${input.name}`), short(input.name, 24)));
      }
    }
  }
  return shownMaps.length ? [el("h4", {}, "Where it responds"), el("ul", { class: "thumbs" }, ...shownMaps)] : [];
}

function linkParts(title, ends) {
  if (!ends.length) {
    return [];
  }
  const links = ends.slice(0, MOST_LINKS).map(([at, index]) => {
    const name = at === OUTCOME ? "the outcome" : `node ${index} of ${overview.layers[at].name}`;
    return el(
      "li",
      {},
      button(name, () => choose(at, index), { class: "plain" }),
    );
  });
  const more = ends.length > MOST_LINKS ? el("li", {}, `and ${ends.length - MOST_LINKS} more`) : null;
  return [el("h4", {}, `${title} (${ends.length})`), el("ul", {}, ...links, more)];
}

/** Returns names and values as a table. */
function facts(pairs) {
  const row = ([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value ?? "–"));
  const rows = pairs.map(row);
  return el("table", {}, el("tbody", {}, ...rows));
}
