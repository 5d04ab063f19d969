// The page loads Cytoscape.js in a script before its own, as a global; these are the library's own types.
/// <reference types="cytoscape" />
