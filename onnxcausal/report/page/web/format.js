// How numbers and names are written.

const MINUS = "\u2212";

/** Returns a number as people read it; a dash for none. */
function shown(value, digits = 3) {
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

/** Returns a number with its sign. */
function signed(value, digits = 3) {
  return value > 0 ? `+${shown(value, digits)}` : shown(value, digits);
}

/** Returns an interval. */
function interval(low, high) {
  return low === null || low === undefined ? "–" : `${signed(low)} to ${signed(high)}`;
}

/** Returns a share as a percentage. */
function percent(value, digits = 2) {
  return `${shown(100 * value, digits)} %`;
}

/** Returns a count with its word, in the singular for one. */
function counted(count, word, plural = `${word}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? word : plural}`;
}

/** Returns a text with its middle left out where it is long. */
function short(text, width) {
  const letters = [...text];
  if (letters.length <= width) {
    return text;
  }
  const half = Math.floor((width - 1) / 2);
  return `${letters.slice(0, width - 1 - half).join("")}…${letters.slice(letters.length - half).join("")}`;
}
