// Where nodes stand: a band for each layer, the outcome's on top, in each the strongest nodes first.

/** @import {Band, BandNode, Scene} from "./scene.js" */

const STEP = 40;
export const LINE = 50;
const WIDE = { across: 26, gap: 26, label: { x: -24, above: 0 }, align: "left" };
const NARROW = { across: 9, gap: 60, label: { x: 0, above: 24 }, align: "right" };
const NARROWEST = 620;

/** @typedef {{x: number, y: number}} Spot */
/**
 * A band with its place.
 * @typedef {Omit<Band, "nodes" | "label"> & {
 *   middle: number, height: number, label: Band["label"] & Spot, nodes: (BandNode & Spot)[], more: Spot,
 * }} PlacedBand
 */
/**
 * A scene with everything in its place; `align` tells on which side of its place a label stands.
 * @typedef {Omit<Scene, "bands"> & {top: Spot, bands: PlacedBand[], width: number, align: string}} PlacedScene
 */

/**
 * Returns the scene's layers with the places of their bands and nodes; labels stand beside bands, or above them.
 * @param {Scene} scene
 * @param {number} room width of the drawing
 * @returns {PlacedScene}
 */
export function placed(scene, room) {
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
    /** @type {(place: number) => Spot} */
    const spot = (place) => spotOf(place, count, middle, lines, form.across);
    const label = { x: form.label.x, y: form.label.above ? middle - height / 2 - form.label.above : middle };
    const nodes = band.nodes.map((node, place) => ({ ...node, ...spot(place) }));
    return { ...band, middle, height, label: { ...band.label, ...label }, nodes, more: spot(band.nodes.length) };
  });
  return { ...scene, top: { x: width / 2, y: 0 }, bands, width, align: form.align };
}

/**
 * Returns the place of one of some nodes: lines are filled from the top and stand in the middle of the band.
 * @param {number} place
 * @param {number} count
 * @param {number} middle
 * @param {number} lines
 * @param {number} across nodes in a line
 * @returns {Spot}
 */
function spotOf(place, count, middle, lines, across) {
  const line = Math.floor(place / across);
  const inLine = Math.min(across, count - line * across);
  const x = (across * STEP) / 2 + ((place % across) - (inLine - 1) / 2) * STEP;
  return { x, y: middle + (line - (lines - 1) / 2) * LINE };
}
