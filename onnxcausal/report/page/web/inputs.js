// Inputs that were explained: themselves, their map, the nodes that respond most.

const MOST_NAMED = 12;
/** Inputs of a class that are shown until all are asked for. */
const FIRST_SHOWN = 6;
const GLOW = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];
const COLD_HOT = [
  [127, 59, 8],
  [245, 160, 60],
  [247, 247, 247],
  [150, 130, 190],
  [45, 0, 75],
];

/** Keeps the part on inputs. */
function setUpInputs() {
  const any = explainedClasses().length > 0;
  showPart("inputs", any);
  if (any) {
    onChange("class", drawInputs);
  }
}

/** Shows or hides a part of the page and the link to it. */
function showPart(id, isShown) {
  byId(id).hidden = !isShown;
  document.querySelector(`[data-part="${id}"]`).hidden = !isShown;
}

function explainedClasses() {
  const has = (info) => byId(`pictures-${info.target}`)?.textContent.includes('"inputs"');
  return overview.classes.filter(has).map((info) => info.title);
}

function listed(titles) {
  const [most, rest] = [titles.slice(0, MOST_NAMED), titles.length - MOST_NAMED];
  return `class ${most.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

function drawInputs() {
  const parts = [state.graph, state.other].filter(Boolean).flatMap((graph) => {
    const { inputs } = picturesOf(graph.target);
    const heading = el("h3", {}, `Explained for class ${graph.info.title}`);
    const none = `No input was explained for this class, but for ${listed(explainedClasses())}.`;
    return inputs.length
      ? [heading, ...cards(graph, inputs)]
      : [heading, el("p", {}, none)];
  });
  fill(byId("inputs-body"), ...parts);
}

/** Returns the first inputs of a class, and the means to see the others. */
function cards(graph, inputs) {
  const list = el("ul", { class: "cards" }, ...inputs.slice(0, FIRST_SHOWN).map((input) => card(graph, input)));
  if (inputs.length <= FIRST_SHOWN) {
    return [list];
  }
  const showAll = () => {
    list.append(...inputs.slice(FIRST_SHOWN).map((input) => card(graph, input)));
    more.replaceWith();
    list.children[FIRST_SHOWN].setAttribute("tabindex", "-1");
    list.children[FIRST_SHOWN].focus();
  };
  const options = { type: "button", class: "more", on: { click: showAll } };
  const more = el("button", options, `Show all ${inputs.length} inputs`);
  return [list, more];
}

function card(graph, input) {
  const says = `the model says ${titleOf(input.predicted)}`;
  const isKnown = input.label >= 0;
  const right = isKnown && input.label === input.predicted;
  const verdict = !isKnown ? says : right ? `${says}, rightly` : `${says}, wrongly: it is ${titleOf(input.label)}`;
  const tiles = [
    input.picture ? el("li", {}, el("img", { src: input.picture, alt: `input ${input.name}` }), "input") : null,
    el("li", {}, drawMap(input.map, `map of ${input.name} for class ${graph.info.title}`), "map"),
    ...input.nodes.map(({ child, map }) =>
      el("li", {}, drawMap(map, `response of output ${child}`), `output ${child}`),
    ),
  ];
  const whose =
    input.layer === null
      ? ""
      : `Outputs are those of ${overview.layers[input.layer].name}. Violet: positive responses, orange: negative.`;
  return el(
    "li",
    {},
    el("h4", {}, input.name),
    el("p", {}, `${verdict}.`),
    el("ul", { class: "thumbs" }, ...tiles),
    el("p", { class: "small" }, whose),
  );
}

/** Returns a map as a picture. */
function drawMap(map, label) {
  const steps = Uint8Array.from(atob(map.steps), (letter) => letter.charCodeAt(0));
  const canvas = el("canvas", { width: map.width, height: map.height, role: "img", "aria-label": label, title: label });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(map.width, map.height);
  const paints = map.signed ? COLD_HOT : GLOW;
  steps.forEach((step, place) => {
    const at = (step / 255) * (paints.length - 1);
    const low = Math.min(Math.floor(at), paints.length - 2);
    paints[low].forEach((value, part) => {
      pixels.data[4 * place + part] = value + (paints[low + 1][part] - value) * (at - low);
    });
    pixels.data[4 * place + 3] = 255;
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}
