// Light and dark: as the system says, unless the reader says otherwise.

const THEMES = ["automatic", "light", "dark"];
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
let theme = THEMES[0];
let printing = false;

/** Returns the value of a colour of the style sheet. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function applyTheme() {
  const dark = !printing && (theme === "dark" || (theme === "automatic" && prefersDark.matches));
  const wanted = dark ? "dark" : "light";
  if (document.documentElement.dataset.theme !== wanted) {
    document.documentElement.dataset.theme = wanted;
    changed("theme");
  }
}

function setUpTheme() {
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    byId("theme").textContent = `Theme: ${theme}`;
    applyTheme();
  });
  prefersDark.addEventListener("change", applyTheme);
  applyTheme();
}
