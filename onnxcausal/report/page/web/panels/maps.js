// Maps as pictures.

import { bytesOf } from "../data.js";
import { el } from "../dom.js";

/** @import {MapRecord} from "../records.d.ts" */

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

/**
 * Returns a map as a picture.
 * @param {MapRecord} map
 * @param {string} label
 * @returns {HTMLCanvasElement}
 */
export function drawMap(map, label) {
  const canvas = el("canvas", { width: map.width, height: map.height, role: "img", "aria-label": label, title: label });
  const context = pen(canvas);
  const pixels = context.createImageData(map.width, map.height);
  const paints = map.signed ? COLD_HOT : GLOW;
  bytesOf(map.steps).forEach((step, place) => {
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

/**
 * Returns what draws on a canvas.
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function pen(canvas) {
  const context = canvas.getContext("2d");
  if (!context) {
    throw new TypeError("the browser draws on no canvas");
  }
  return context;
}
