// How numbers and names are written.

const MINUS = "\u2212";

/**
 * Returns a number as people read it; a dash for none.
 * @param {number | null | undefined} value
 * @param {number} [digits] significant digits
 * @returns {string}
 */
export function shown(value, digits = 3) {
  if (value === null || value === undefined) {
    return "–";
  }
  const size = Math.abs(value);
  const text =
    size !== 0 && (size >= 1e6 || size < 1e-3)
      ? value.toExponential(digits - 2)
      : String(Number(value.toPrecision(digits)));
  return text.replaceAll("-", MINUS);
}

/**
 * Returns a number with its sign.
 * @param {number | null | undefined} value
 * @param {number} [digits] significant digits
 * @returns {string}
 */
export function signed(value, digits = 3) {
  return (value ?? 0) > 0 ? `+${shown(value, digits)}` : shown(value, digits);
}

/**
 * Returns an interval.
 * @param {number | null | undefined} low
 * @param {number | null | undefined} high
 * @returns {string}
 */
export function interval(low, high) {
  return low === null || low === undefined ? "–" : `${signed(low)} to ${signed(high)}`;
}

/**
 * Returns a share as a percentage.
 * @param {number} value
 * @param {number} [digits] significant digits
 * @returns {string}
 */
export function percent(value, digits = 2) {
  return `${shown(100 * value, digits)} %`;
}

/**
 * Returns a count with its word, in the singular for one.
 * @param {number} count
 * @param {string} word
 * @param {string} [plural]
 * @returns {string}
 */
export function counted(count, word, plural = `${word}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? word : plural}`;
}

/**
 * Returns a text with its middle left out where it is long.
 * @param {string} text
 * @param {number} width letters it may have
 * @returns {string}
 */
export function short(text, width) {
  const letters = [...text];
  if (letters.length <= width) {
    return text;
  }
  const half = Math.floor((width - 1) / 2);
  return `${letters.slice(0, width - 1 - half).join("")}…${letters.slice(letters.length - half).join("")}`;
}
