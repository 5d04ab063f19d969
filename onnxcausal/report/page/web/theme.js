// Light and dark: as the system says, unless the reader says otherwise.

import { byId } from "./dom.js";
import { changed } from "./state.js";

const THEMES = ["automatic", "light", "dark"];
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
let theme = THEMES[0];
let isOnPaper = false;

/**
 * Returns the value of a colour of the style sheet.
 * @param {string} name
 * @returns {string}
 */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Lets the theme be switched, and applies the first. */
export function setUpTheme() {
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    byId("theme").textContent = `Theme: ${theme}`;
    applyTheme();
  });
  prefersDark.addEventListener("change", applyTheme);
  applyTheme();
}

/**
 * Puts the page on paper, which is light, or back on the screen.
 * @param {boolean} isPrinted
 */
export function putOnPaper(isPrinted) {
  isOnPaper = isPrinted;
  applyTheme();
}

function applyTheme() {
  const dark = !isOnPaper && (theme === "dark" || (theme === "automatic" && prefersDark.matches));
  const wanted = dark ? "dark" : "light";
  if (document.documentElement.dataset.theme !== wanted) {
    document.documentElement.dataset.theme = wanted;
    changed("theme");
  }
}
