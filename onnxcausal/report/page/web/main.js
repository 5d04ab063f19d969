// The page is set up part by part, then shows its first class.

function setUpFilters() {
  const used = ROLES.filter((_, place) => place < 5 || overview.classes.some((info) => info.counts[place] > 0));
  for (const role of used) {
    const act = (event) => {
      if (event.target.checked) {
        state.roles.add(role);
      } else {
        state.roles.delete(role);
      }
      changed("view");
    };
    const input = el("input", { type: "checkbox", value: role, on: { change: act } });
    onChange("view", () => {
      input.checked = state.roles.has(role);
    });
    byId("filters").append(el("label", { title: MEANING[role] }, input, mark(role), role));
  }
}

function setUpPrint() {
  byId("print").addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", () => {
    printing = true;
    applyTheme();
    byId("layers-part").open = true;
    byId("printed").src = pictureOfGraph();
    byId("printed").hidden = false;
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    applyTheme();
    byId("printed").hidden = true;
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
  showClass(overview.classes[0].target, null);
}
