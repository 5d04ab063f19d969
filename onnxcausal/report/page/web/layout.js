// Where nodes stand: a band for each layer, the outcome's on top, in each the strongest nodes first.

const STEP = 40;
const LINE = 50;
const WIDE = { across: 26, gap: 26, label: { x: -24, above: 0 }, align: "left" };
const NARROW = { across: 9, gap: 60, label: { x: 0, above: 24 }, align: "right" };
const NARROWEST = 620;

/** Returns the scene's layers with the places of their bands and nodes; labels stand beside bands, or above them. */
function placed(scene, room) {
  const form = room < NARROWEST ? NARROW : WIDE;
  const width = form.across * STEP;
  let y = 0;
  const bands = scene.bands.map((band) => {
    const count = band.nodes.length + (band.hidden ? 1 : 0);
    const lines = band.open ? Math.max(1, Math.ceil(count / form.across)) : 1;
    const height = lines * LINE;
    y += height / 2 + (y === 0 ? 40 + form.gap : 0);
    const middle = y;
    y += height / 2 + form.gap;
    const spot = (place) => spotOf(place, count, middle, lines, form.across);
    const label = { x: form.label.x, y: form.label.above ? middle - height / 2 - form.label.above : middle };
    const nodes = band.nodes.map((node, place) => ({ ...node, ...spot(place) }));
    return { ...band, middle, height, label: { ...band.label, ...label }, nodes, more: spot(band.nodes.length) };
  });
  return { ...scene, top: { x: width / 2, y: 0 }, bands, width, align: form.align };
}

/** Returns the place of one of some nodes: lines are filled from the top and stand in the middle of the band. */
function spotOf(place, count, middle, lines, across) {
  const line = Math.floor(place / across);
  const inLine = Math.min(across, count - line * across);
  const x = (across * STEP) / 2 + ((place % across) - (inLine - 1) / 2) * STEP;
  return { x, y: middle + (line - (lines - 1) / 2) * LINE };
}
