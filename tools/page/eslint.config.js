import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/*.min.js", "**/*.d.ts", "**/node_modules/**"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      curly: "error",
      eqeqeq: "error",
      "no-duplicate-imports": "error",
      "no-implicit-globals": "error",
      "no-restricted-syntax": [
        "error",
        // What puts the modules into one script takes no other forms.
        { selector: "Program > VariableDeclaration > VariableDeclarator > :not(Identifier).id", message: "One name." },
      ],
      "no-undef": "error",
      "no-unused-vars": "error",
      "no-var": "error",
      "one-var": ["error", "never"],
      "prefer-const": "error",
    },
  },
  {
    files: ["onnxcausal/report/page/web/**/*.js"],
    languageOptions: { ecmaVersion: 2022, globals: { ...globals.browser, cytoscape: "readonly" } },
  },
];
