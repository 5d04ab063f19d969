"""What RESULTS.md says beside the numbers."""

TITLES = {
    "graphs": "Figures 3 and 4: effects and graphs",
    "maps": "Figures 5 and 6: maps and the nodes that respond",
    "reliability": "Figure 7: reliability",
    "explanations": "Figures 8 and 9: stability and faithfulness",
    "choices": "Which map of equation 3",
    "fidelity": "Figure 10: fidelity",
    "specificity": "Which settings make nodes specific to their class",
    "masking": "Figure 11: masking noisy nodes",
    "sufficiency": "Sufficiency",
    "timing": "Time to explain",
}
HEAD = """
# The experiments of Ahmad et al. 2023, repeated

Written by `tools/bench/paper.py` from what it measured. All methods of a column see the same images and noise in one
run, and are normalised alike (a map over its largest absolute value). Graphs are inferred from some samples, and
everything else is measured on others of the same test set; the split of each evaluation is in the JSON it writes.
Intervals are at level 0.95. The paper's ResNet-18, ResNet-50V2 and ConvNeXt are not at hand; ResNet-20 on CIFAR-10
(compressed as JPEG, right on 81 %) and three ImageNet models stand in for them, on three classes of animals and few
images, without the greedy order where passes are slow. Gradient methods are Captum's, on the model converted to
PyTorch, whose scores are compared with ONNX Runtime's first; SqueezeNet's MaxPool is beyond the converter.
"""
PROSE = {
    "graphs": """
The paper shows the average effect of every node as a heat map and one class's graph. Ours are those of `onnxcausal
analyze` with its defaults: paired tests, coverage 0.8. The published code's rule grows with the number of samples and
often decides by its fallback (docs/method.md).
""",
    "maps": """
The paper shows for LeNet-5 that conv2 has 8 nodes that each respond to another part of a digit 3, and for ResNet-18
the peaks of the strongest filters. Here the first tiles are the input, its map and both together, then the nodes that
respond most to this input with their peaks. The published code takes the input before its activation, a flipped
kernel and full padding; here `f` is the layer's op as the model runs it.
""",
    "reliability": """
The paper infers graphs 1,000 times under beta ~ U(b - 0.01, b + 0.01), b rising from 0.01 to 0.5, and reports that 98
to 100 % of the nodes appear in every run; the result file shipped with its code does not reach that. *Appearance* is
the mean rate over the nodes selected at least once, as in the figure: a node selected once in fifty runs weighs as
much in it as one that always is. *Recurrence* is the probability that a node of one run's graph is in another run's.

Under the paired rule beta alone changes next to nothing in LeNet-5, since it scales all effects of a layer almost
alike and coverage is a share of them; what varies comes from the images. What is lost in appearance are nodes at the
edge of the coverage, in and out as the images change: that is why recurrence is higher. In ResNet-20 each of twenty
layers inherits the targets of those below it, and both matter, the more the farther from the outcome. Under the
published rule effects fall below its threshold as beta rises, and its fallback comes and goes. More images a run
would bring appearance closer to 95 %; 50 runs of 100 images do not have it.
""",
    "explanations": """
The paper finds its maps the most stable of all by far, and the most faithful beside excitation backprop, with Quantus
of its time, whose IROF was the area under the curve. Here it is the area over it (Quantus from 0.4 on; ours agrees
with it to 1e-6), on images that the model decides as the class. For a constant map it is that of the segments in the
order of their numbers. Excitation backprop is left out: no maintained library has it.

A map is judged by both columns: a constant one is perfectly stable and worth nothing, and the edge detector's, which
knows no model, is nearly as stable. Deconvolution is exactly as stable as a constant on a network without max
pooling, where it does not depend on the input at all.
""",
    "choices": """
Equation 3 leaves open which layer is shown, whether responses are summed with their signs, how they are normalised
and whether strong parents count more. All of these on the same images; `onnxcausal explain` shows the sum of sizes
over all layers, which is among the most faithful on both networks. Softmax over places is more stable because it is
flat: divided by its largest value, such a map comes close to the constant one, and only its order tells anything.
""",
    "fidelity": """
The paper masks the top k % critical nodes of every layer and finds that accuracy drops drastically below 20 %. It
shows neither controls nor the other classes. Here a portion is of the necessary nodes of each layer, all paths of a
node are removed, accuracy is over that of the unmodified model on held-out samples, and what a layer reads from the
input is no neuron. Random nodes and those of the largest weights are as many in each layer.
""",
    "specificity": """
The same protocol after analyses with other settings. In ResNet-20 nodes are most specific to their class where
effects are measured on the margin and paths are replaced by their mean: the class goes, and the others lose hardly
more than by random nodes. In LeNet-5 the defaults take most of the class; log-probability and a coverage of 0.5
select too few nodes for 20 % of them to matter.
""",
    "masking": """
The paper masks a growing portion of noisy or irrelevant nodes and finds that the accuracy of the class rises. That it
does says little: masking whatever speaks against a class raises its recall at the cost of the others, which the paper
does not show. Nodes here are those of the class's graph that raise its score when removed, the strongest first, then
those without an effect on it, which other classes may need. In MobileNetV1, whose layers are narrow and follow each
other without a way around, masking a fifth of almost anything ends all classes.
""",
    "sufficiency": """
Not in the paper; the published code keeps the edges of the graph alone and reports the class's logit, which such
cutting inflates. Here the outcome must still separate the class from the others. A random graph has as many nodes in
each layer, and the targets these lead to.
""",
    "timing": """
The graphs are inferred once; an explanation is then one pass of the model with some layers computed twice.
""",
}
