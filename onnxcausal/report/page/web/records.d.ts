// The data of the page: what `../overview.py`, `../classes.py`, `../wires.py` and `../images.py` write, and what
// `data.js` makes of it.

export type Role = "necessary" | "noisy" | "minor" | "neutral" | "weak" | "dead" | "untested";

/** How nodes are told apart in the drawing: by their role, or by which of two classes they are necessary for. */
export type Kind = Role | "own" | "others" | "shared";

/** Number of a layer in the page, or -1 for the outcome; and a node of it. */
export type End = [at: number, index: number];

/** The lower and the upper end of an interval. */
export type Interval = [low: number, high: number];

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What is told outside the classes. */
export interface Overview {
  model: { file: string; sha256: string };
  data: { source: string; sha256: string; synthetic: boolean };
  tool: { onnxcausal: string; onnxruntime: string; providers: string[] };
  settings: [name: string, value: string][];
  outcome: string;
  task: string;
  alpha: number;
  beta: number;
  coverage: number;
  rule: string;
  /** In the order of their numbers. */
  roles: Role[];
  /** Nodes of each layer and role whose numbers the page holds; null: all. */
  keep: number | null;
  has_links: boolean;
  has_samples: boolean;
  has_pictures: boolean;
  notes: string[];
  skipped: { title: string; reason: string }[];
  /** From the outcome upwards; elsewhere a layer is named by its place here, `at`. */
  layers: LayerInfo[];
  classes: ClassInfo[];
  /** Titles of classes by their numbers. */
  names: Record<string, string>;
  /** Number of evaluations. */
  evaluated: number;
  repairs: Json[];
}

export interface LayerInfo {
  name: string;
  op: string;
  weight: string;
  parents: number;
  children: number;
}

/** What the list of classes tells of one. */
export interface ClassInfo {
  target: number;
  title: string;
  samples: number;
  examined: number;
  correct: number;
  /** Of a class that is decided by itself: other samples not taken for it, of how many. */
  others?: [number, number];
  tensor: string;
  mean: number;
  sd: number;
  floor: number;
  reached: number;
  nodes: number;
  /** Nodes of each role. */
  counts: number[];
  untracked: number;
  normalised: number;
  strongest?: { layer: number; node: number; ate: number; ci: Interval };
}

/** A class as the page holds it. */
export interface ClassRecord {
  layers: LayerRecord[];
}

/** A layer of a class; one that no route leads to has no counts and no nodes. */
export interface LayerRecord {
  at: number;
  targets: number;
  flow: "tracked" | "normalised" | "untracked";
  by: string;
  reason?: string;
  /** Whether nobody asked about the layer. */
  left_out?: boolean;
  /** Layers left out that its targets flow into. */
  through?: string[];
  counts?: number[];
  /** A digit for each node held: the number of its role. */
  roles?: string;
  ate?: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  q?: (number | null)[];
  /** The nodes held; absent where all are. */
  nodes?: number[];
  sums?: (number | null)[];
  /** Samples that each node was measured on, where they differ. */
  used?: (number | null)[];
  untested?: { nodes: number; ate: number; ci: Interval };
  wires?: Wires;
  samples?: [index: number, quartiles: Quartiles, samples: SampleEffect[]][];
}

/** Least, lower quartile, median, upper quartile and largest effect over samples. */
export type Quartiles = [number, number, number, number, number];

/** Position of a sample in the data, and the effect on it. */
export type SampleEffect = [position: number, effect: number];

/** What joins a layer's necessary nodes to nodes of layers below. */
export interface Wires {
  /** Groups of children and the nodes they become, each by the position of its layer in the class. */
  ends: [children: number[], reached: [position: number, nodes: number[]][]][];
  /** Children that each node has a path to; absent where each reaches all of them. */
  paths?: Record<string, number[]>;
}

/** A class, unpacked. */
export interface Graph {
  target: number;
  info: ClassInfo;
  layers: Layer[];
  /** The layers by their number in the page. */
  at: Map<number, Layer>;
}

/** A layer of a class, unpacked. */
export interface Layer {
  at: number;
  /** Place among the layers of the class. */
  position: number;
  name: string;
  parents: number;
  reached: boolean;
  flow: "tracked" | "normalised" | "untracked";
  by: string;
  reason: string | undefined;
  leftOut: boolean;
  through: string[];
  untested: { nodes: number; ate: number; ci: Interval } | undefined;
  wires: Wires | undefined;
  counts: number[];
  roles: string;
  ate: (number | null)[];
  low: (number | null)[];
  high: (number | null)[];
  q: (number | null)[];
  used: (number | null)[] | undefined;
  nodes: number[];
  /** Where the numbers of a node are in the arrays. */
  places: Map<number, number>;
  samples: Map<number, [quartiles: Quartiles, samples: SampleEffect[]]>;
  /** Size of the largest effect. */
  largest: number;
  /** What nodes lead to, as far as it was asked for. */
  onward: Map<number | "every", End[]>;
}

/** A node with its numbers; they are null where it was not tested. */
export interface LayerNode {
  at: number;
  index: number;
  layer: Layer;
  role: Role;
  ate: number | null;
  low: number | null;
  high: number | null;
  q: number | null;
  used: number | null;
  /** Size of its effect as a share of the largest of its layer. */
  strength: number;
}

/** Pictures of samples by their positions, and inputs that were explained. */
export interface Pictures {
  samples: Record<string, string>;
  inputs: ExplainedInput[];
}

export interface ExplainedInput {
  name: string;
  predicted: number;
  /** Negative where it is not known. */
  label: number;
  picture: string | null;
  map: MapRecord;
  layer: number | null;
  nodes: { child: number; map: MapRecord }[];
}

/** A map in steps: bytes, in base64. */
export interface MapRecord {
  height: number;
  width: number;
  signed: boolean;
  steps: string;
}

export interface Evaluation {
  protocol: string;
  asks: string;
  data: string;
  notes: string[];
  /** In what its settings differ from the analysis's. */
  differs: string[];
  records: EvaluationRecord[];
}

export type EvaluationRecord = [
  target: number | null,
  layer: string | null,
  method: string,
  at: number | null,
  measure: string,
  mean: number,
  low: number,
  high: number,
  n: number,
];
