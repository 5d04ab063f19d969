// The page is set up part by part, then shows its first class.

import { setUpAbout } from "./panels/about.js";
import { setUpClasses } from "./panels/classes.js";
import { ROLES, overview } from "./data.js";
import { pictureOfGraph } from "./graph/drawing.js";
import { byId, el, ofKind } from "./dom.js";
import { setUpEvaluation } from "./panels/evaluation.js";
import { setUpGraph } from "./graph/graph.js";
import { setUpHeatMap } from "./panels/heatmap.js";
import { setUpInputs } from "./panels/inputs.js";
import { setUpKeyboard } from "./graph/keyboard.js";
import { MEANING, mark } from "./graph/kinds.js";
import { setUpNode } from "./panels/node.js";
import { setUpTables } from "./panels/nodetable.js";
import { setUpSearch } from "./graph/search.js";
import { drawRole, onChange, showClass, state } from "./state.js";
import { putOnPaper, setUpTheme } from "./theme.js";

function setUpFilters() {
  const used = ROLES.filter((_, place) => place < 5 || overview.classes.some((info) => info.counts[place] > 0));
  for (const role of used) {
    const input = el("input", { type: "checkbox", value: role });
    input.addEventListener("change", () => drawRole(role, input.checked));
    onChange("view", () => {
      input.checked = state.roles.has(role);
    });
    byId("filters").append(el("label", { title: MEANING[role] }, input, mark(role), role));
  }
}

function setUpPrint() {
  const picture = ofKind("printed", HTMLImageElement);
  byId("print").addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", () => {
    putOnPaper(true);
    ofKind("layers-part", HTMLDetailsElement).open = true;
    picture.src = pictureOfGraph();
    picture.hidden = false;
  });
  window.addEventListener("afterprint", () => {
    putOnPaper(false);
    picture.hidden = true;
  });
}

setUpTheme();
setUpAbout();
setUpClasses();
setUpFilters();
setUpGraph();
setUpKeyboard();
setUpSearch();
setUpNode();
setUpTables();
setUpHeatMap();
setUpInputs();
setUpEvaluation();
setUpPrint();
if (overview.classes.length) {
  void showClass(overview.classes[0].target, null);
}
