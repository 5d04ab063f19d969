"""The options of the commands, each defined once."""

from pathlib import Path
from typing import Annotated

import typer

SAMPLES, METHOD, RUN, OUTPUT = "Samples", "Method", "Run", "Output"

ModelFile = Annotated[Path, typer.Argument(help="The .onnx file. Its sidecar is the .toml file of the same name.")]
ModelFiles = Annotated[
    list[Path],
    typer.Argument(metavar="MODEL...", help="The .onnx files. The sidecar of each is the .toml file of the same name."),
]
Data = Annotated[
    str | None,
    typer.Option(
        help=".npz (x, y), .csv, IDX file, or folder of images by class, or with YOLO labels.", rich_help_panel=SAMPLES
    ),
]
Labels = Annotated[str | None, typer.Option(help="Text file of class names, one a line.", rich_help_panel=SAMPLES)]
LabelColumn = Annotated[str | None, typer.Option(help="Label column of a .csv file.", rich_help_panel=SAMPLES)]
References = Annotated[
    str | None,
    typer.Option(
        help="Samples that --task embedding compares with: file or folder. Default: the data.", rich_help_panel=SAMPLES
    ),
]
SkipBad = Annotated[
    bool | None, typer.Option("--skip-bad", help="Leave unreadable images out.", rich_help_panel=SAMPLES)
]
Resize = Annotated[
    str | None,
    typer.Option(help="Shorter side, or HEIGHT,WIDTH, or letterbox[:SIDE|:HxW].", rich_help_panel=SAMPLES),
]
CenterCrop = Annotated[str | None, typer.Option(help="Side of a square, or HEIGHT,WIDTH.", rich_help_panel=SAMPLES)]
Rescale = Annotated[float | None, typer.Option(help="Factor on grey levels 0..255.", rich_help_panel=SAMPLES)]
Mean = Annotated[str | None, typer.Option(help="Per channel, after rescaling: R,G,B.", rich_help_panel=SAMPLES)]
Std = Annotated[str | None, typer.Option(help="Per channel: R,G,B.", rich_help_panel=SAMPLES)]
Channels = Annotated[
    str | None,
    typer.Option(metavar="rgb|bgr|gray", help="Order the model takes. Default: by its input.", rich_help_panel=SAMPLES),
]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="nchw|nhwc", help="Axes of the model's input. Default: by its shape.", rich_help_panel=SAMPLES
    ),
]
InputName = Annotated[
    str | None, typer.Option("--input", help="Input that takes the samples.", rich_help_panel=SAMPLES)
]
Output = Annotated[str | None, typer.Option(help="Output or tensor of the class scores.", rich_help_panel=METHOD)]
Reduce = Annotated[
    str | None,
    typer.Option(metavar="mean|max|sum", help="Make scores at many places one per class.", rich_help_panel=METHOD),
]
ClassAxis = Annotated[
    int | None, typer.Option(help="Axis of the classes, with --reduce, --at, --scores.", rich_help_panel=METHOD)
]
At = Annotated[
    str | None,
    typer.Option(help="Step, frame or head, like 3 or last; PLACE,PLACE of more axes.", rich_help_panel=METHOD),
]
Scores = Annotated[
    str | None,
    typer.Option(metavar="FROM:TO", help="Scores of one head of several side by side.", rich_help_panel=METHOD),
]
SampleAxis = Annotated[int | None, typer.Option(help="Axis of the samples in the scores.", rich_help_panel=METHOD)]
Blank = Annotated[
    int | None, typer.Option(help="Class that is no character, of scores frame by frame.", rich_help_panel=METHOD)
]
Task = Annotated[
    str | None,
    typer.Option(
        metavar="classification|binary|multilabel|detector|regression|embedding",
        help="What the scores decide. Default: by their number.",
        rich_help_panel=METHOD,
    ),
]
Fixed = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Give an input one value; repeat for several.", rich_help_panel=SAMPLES
    ),
]
Target = Annotated[
    list[str] | None,
    typer.Option(help="Class to analyse, index or name; repeat for several. Default: all.", rich_help_panel=METHOD),
]
Samples = Annotated[int | None, typer.Option(help="Samples per class [100].", rich_help_panel=METHOD)]
TestedLayers = Annotated[
    list[str] | None,
    typer.Option(
        "--layers",
        help="Layers to test: names, patterns (/layer4/*), last:5, first:3, op:Conv; several by commas, or repeat. "
        "Default: all.",
        rich_help_panel=METHOD,
    ),
]
SkippedLayers = Annotated[
    list[str] | None,
    typer.Option("--skip-layers", help="Layers to leave out all the same, named likewise.", rich_help_panel=METHOD),
]
Rule = Annotated[
    str | None, typer.Option(metavar="paired|welch", help="How roles are decided.", rich_help_panel=METHOD)
]
Alpha = Annotated[float | None, typer.Option(help="False discovery rate [0.05].", rich_help_panel=METHOD)]
Coverage = Annotated[
    float | None, typer.Option(help="Share of effect the strongest nodes carry [0.8].", rich_help_panel=METHOD)
]
Beta = Annotated[
    float | None, typer.Option(help="Factor on a path's weights; 0 removes it [0].", rich_help_panel=METHOD)
]
Replace = Annotated[
    str | None, typer.Option(metavar="zero|mean", help="What stands in for a path.", rich_help_panel=METHOD)
]
Outcome = Annotated[
    str | None,
    typer.Option(metavar="logit|margin|log-prob", help="Scalar effects are measured on.", rich_help_panel=METHOD),
]
Seed = Annotated[int | None, typer.Option(help="Of the choice of samples [0].", rich_help_panel=METHOD)]
Engine = Annotated[
    str | None, typer.Option(metavar="suffix|reference", help="How interventions are run.", rich_help_panel=RUN)
]
Adaptive = Annotated[
    bool | None,
    typer.Option("--adaptive/--full", help="Stop measuring nodes that are settled.", rich_help_panel=RUN),
]
Budget = Annotated[
    int | None,
    typer.Option(help="Most interventions per layer and class, most promising first.", rich_help_panel=RUN),
]
Precision = Annotated[
    str | None, typer.Option(metavar="fp32|tf32|fp16", help="Arithmetic of the interventions.", rich_help_panel=RUN)
]
Memory = Annotated[
    str | None, typer.Option(help="Bound on memory, like 2GiB [60 % of what is free].", rich_help_panel=RUN)
]
Devices = Annotated[str | None, typer.Option(help="Devices that share the work, like 0,1.", rich_help_panel=RUN)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print layers, work, memory and time, and stop.", rich_help_panel=RUN)
]
Provider = Annotated[
    str | None,
    typer.Option(help="Execution provider: cpu, cuda, NAME or NAME:key=value.", rich_help_panel=RUN),
]
Limits = Annotated[
    str | None,
    typer.Option(
        metavar="time=S,memory=SIZE",
        help="What opening the file, and any run of it, may take, or none (time=180).",
        rich_help_panel=RUN,
    ),
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Read weights behind links (model stores).", rich_help_panel=RUN)
]
Config = Annotated[
    Path | None, typer.Option(help="Configuration file in place of the sidecar.", rich_help_panel=METHOD)
]
ShowConfig = Annotated[
    bool, typer.Option("--show-config", help="Print the merged settings and stop.", rich_help_panel=METHOD)
]
Out = Annotated[Path | None, typer.Option(help="Output folder [MODEL.causal in this folder].", rich_help_panel=OUTPUT)]
InputFiles = Annotated[list[Path], typer.Argument(help="Images, folders of images, .npz files with x.")]
AnalysisFolder = Annotated[
    Path | None,
    typer.Option("--analysis", help="Folder that analyze wrote. Default: infer the graphs first."),
]
ProtocolName = Annotated[
    str, typer.Argument(metavar="reliability|stability|faithfulness|fidelity|sufficiency", help="What to evaluate.")
]
PROTOCOL = "Protocol"
Count = Annotated[
    int | None,
    typer.Option(min=2, help="Held-out samples per class [100; maps: 10].", rich_help_panel=PROTOCOL),
]
Runs = Annotated[int | None, typer.Option(min=2, help="reliability: runs of each kind [50].", rich_help_panel=PROTOCOL)]
Portions = Annotated[
    str | None,
    typer.Option(help="fidelity: shares of the necessary nodes to mask, like 0.1,0.2.", rich_help_panel=PROTOCOL),
]
Methods = Annotated[
    str | None,
    typer.Option(help="Maps: causal,occlusion,rise,edges,constant,random,greedy (all).", rich_help_panel=PROTOCOL),
]
Perturbations = Annotated[
    int | None, typer.Option(min=1, help="stability: noisy copies of each image [50].", rich_help_panel=PROTOCOL)
]
Noise = Annotated[
    float | None,
    typer.Option("--sd", help="stability: of the noise, in the input's unit [0.1].", rich_help_panel=PROTOCOL),
]
RiseMasks = Annotated[
    int | None, typer.Option("--masks", min=1, help="Maps: masks of RISE [500].", rich_help_panel=PROTOCOL)
]
MapLayer = Annotated[
    str | None, typer.Option("--layer", help="Maps: layer of the causal maps (all).", rich_help_panel=PROTOCOL)
]
EvaluatedOut = Annotated[
    Path | None,
    typer.Option("--out", help="Output folder [MODEL.evaluation in this folder].", rich_help_panel=OUTPUT),
]
AsEvaluationJson = Annotated[
    bool, typer.Option("--json", help="Print the JSON in place of the table.", rich_help_panel=OUTPUT)
]
ExplainedTarget = Annotated[
    str | None, typer.Option("--target", help="Class to explain for, index or name. Default: what the model decides.")
]
ShownLayer = Annotated[
    str | None, typer.Option("--layer", help="Layer whose maps are shown. Default: all of them together.")
]
ExplainedOut = Annotated[
    Path | None,
    typer.Option("--out", help="Output folder [MODEL.explained in this folder].", rich_help_panel=OUTPUT),
]
ForceFiles = Annotated[
    bool, typer.Option("--force", help="Replace files that something else wrote.", rich_help_panel=OUTPUT)
]
Force = Annotated[bool, typer.Option("--force", help="Replace another model's analysis.", rich_help_panel=OUTPUT)]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print analysis.json in place of the table.", rich_help_panel=OUTPUT)
]
Stats = Annotated[Path | None, typer.Option(help="Write timings to this file.", rich_help_panel=OUTPUT)]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.", rich_help_panel=OUTPUT)]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=OUTPUT)]
AsInspectionJson = Annotated[
    bool, typer.Option("--json", help="Print JSON in place of the text.", rich_help_panel=OUTPUT)
]
PictureFile = Annotated[
    Path | None, typer.Option("--picture", help="Write a picture of layers and flow (PNG).", rich_help_panel=OUTPUT)
]
RunOnce = Annotated[
    bool, typer.Option("--run", help="Run one probe sample, where the file does not tell shapes.", rich_help_panel=RUN)
]
RepairedFile = Annotated[Path, typer.Argument(help="A file that onnxcausal apply wrote.")]
MasksFile = Annotated[Path, typer.Argument(help="Masks of that model, a masks.json.")]
FormName = Annotated[
    str,
    typer.Option(
        "--form", metavar="masked|folded|pruned|switchable", help="How masks stand in the file.", rich_help_panel=RUN
    ),
]
NewModelFile = Annotated[Path, typer.Option("--out", "-o", help="The new .onnx file.", rich_help_panel=OUTPUT)]
ForceFile = Annotated[bool, typer.Option("--force", help="Replace another file in its place.", rich_help_panel=OUTPUT)]
AgainstFile = Annotated[Path, typer.Option("--against", help="The .onnx file it was made from.")]
REPAIR = "Repair"
RepairedOut = Annotated[
    Path,
    typer.Option("--out", "-o", help="The new .onnx file; with --plan-only, of masks.", rich_help_panel=OUTPUT),
]
RepairedClass = Annotated[
    list[str] | None,
    typer.Option(
        "--class", help="Class to help, index or name; repeat. Default: all analysed.", rich_help_panel=REPAIR
    ),
]
ProtectedClass = Annotated[
    list[str] | None,
    typer.Option("--protect", help="Class not to harm; repeat. Default: all with samples.", rich_help_panel=REPAIR),
]
Objective = Annotated[
    str,
    typer.Option(metavar="class-accuracy|overall|'fix-confusion A:B'", help="What to raise.", rich_help_panel=REPAIR),
]
MaxDrop = Annotated[
    str, typer.Option(help="Accuracy a protected class may lose, by its lower bound.", rich_help_panel=REPAIR)
]
MaskedPortion = Annotated[
    str | None,
    typer.Option("--portion", help="Share of the candidates to mask. Default: searched.", rich_help_panel=REPAIR),
]
MaskedFactor = Annotated[
    str | None, typer.Option("--beta", help="Factor on masked weights. Default: searched.", rich_help_panel=REPAIR)
]
MaskedReplace = Annotated[
    str | None,
    typer.Option(
        "--replace", metavar="zero|mean", help="What stands in for them. Default: searched.", rich_help_panel=REPAIR
    ),
]
RepairCount = Annotated[
    int | None,
    typer.Option(
        "--count",
        help="Samples of a class to choose on, and to report on. Default: all.",
        rich_help_panel=REPAIR,
    ),
]
COMPRESSION = "Target (one of them)"
TargetSize = Annotated[
    str | None, typer.Option(help="Share of the stored numbers that may stay, like 50%.", rich_help_panel=COMPRESSION)
]
TargetLatency = Annotated[
    str | None,
    typer.Option(help="Share of the time for one sample that it may take, like 50%.", rich_help_panel=COMPRESSION),
]
MostLost = Annotated[
    str | None,
    typer.Option("--max-drop", help="Accuracy it may cost, by its lower bound, like 1%.", rich_help_panel=COMPRESSION),
]
Refit = Annotated[
    bool, typer.Option("--refit", help="Fit what is left to make up for what is removed.", rich_help_panel=REPAIR)
]
PlanOnly = Annotated[bool, typer.Option("--plan-only", help="Write the masks alone.", rich_help_panel=OUTPUT)]
AsRepairJson = Annotated[
    bool, typer.Option("--json", help="Print the record as JSON instead of the table.", rich_help_panel=OUTPUT)
]
VerifyCount = Annotated[
    int | None,
    typer.Option("--count", min=1, help="Samples of a class to measure on. Default: all.", rich_help_panel=SAMPLES),
]
NoData = Annotated[bool, typer.Option("--no-data", help="Prove alone, and measure nothing.", rich_help_panel=SAMPLES)]
AnyMeans = Annotated[
    bool, typer.Option("--any-means", help="Take means that no node takes on the data.", rich_help_panel=SAMPLES)
]
OriginalFile = Annotated[
    Path | None, typer.Option("--against", help="The .onnx file that it should be: compare what is left with it.")
]
OtherBytes = Annotated[
    bool,
    typer.Option("--other-bytes", help="Write it though its bytes are not those that its record names."),
]
ReportedFolder = Annotated[Path, typer.Argument(help="Folder that analyze wrote.")]
Results = Annotated[
    list[Path] | None,
    typer.Option("--with", help="Folder that explain, evaluate or repair wrote; repeat for several."),
]
AnalysedData = Annotated[
    Path | None, typer.Option("--data", help="The data that was analysed, for pictures of its samples.")
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The page (report.html in the analysis's folder).", rich_help_panel=OUTPUT),
]
DemoOut = Annotated[Path, typer.Option("--out", help="Folder for what it writes.", rich_help_panel=OUTPUT)]
OldSide = Annotated[Path, typer.Argument(help="A folder that analyze wrote, an analysis.json, or a model file.")]
NewSide = Annotated[Path, typer.Argument(help="The same of the other model.")]
Level = Annotated[
    float,
    typer.Option(min=0, max=1, help="Chance of a single false alarm in the whole comparison.", rich_help_panel=METHOD),
]
Margin = Annotated[
    float,
    typer.Option(min=0, help="Difference that does not matter, in sd of the outcome.", rich_help_panel=METHOD),
]
ComparisonOut = Annotated[
    Path | None, typer.Option("--out", help="Write the comparison to this file (JSON).", rich_help_panel=OUTPUT)
]
Reports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT=FILE",
        help="junit, sarif, markdown; dot (a folder), netron (a copy of the model, or .json); repeat for several.",
        rich_help_panel=OUTPUT,
    ),
]
WhichLayer = Annotated[
    bool | None,
    typer.Option(
        "--which-layer/--no-which-layer",
        help="By which layers two files differ; default: where one is quantised.",
        rich_help_panel=RUN,
    ),
]
EveryNode = Annotated[
    bool,
    typer.Option(
        "--every-node", help="List every node that changed in the JSON, not the strongest 10.", rich_help_panel=OUTPUT
    ),
]
CheckReports = Annotated[
    list[str] | None,
    typer.Option(
        "--report",
        metavar="FORMAT=FILE",
        help="junit, sarif, markdown; repeat for several.",
        rich_help_panel=OUTPUT,
    ),
]
