"""Models whose strings are meant for terminals, browsers, file systems or parsers; most are sound otherwise."""

from collections.abc import Callable

import onnx

from tests.support.hostile_parts import HostileFile, changed

LONG = 10 * 2**20
NAMES = {
    "colours": "\x1b[31mred\x1b[0m",
    "a terminal title": "\x1b]0;title\x07",
    "a cleared screen": "\x1b[2J\x1b[H",
    "an 8-bit escape": "\x9b31mred",
    "a carriage return": "good\rbad ",
    "a line break": "one\nerror: two",
    "a backspace": "good\b\b\b\bbad",
    "NUL": "a\0b",
    "right-to-left override": "model\u202egnp.exe",
    "invisible characters": "a\u200b\u2060\ufeffb",
    "stacked accents": "Z" + "\u0301" * 500,
    "a script": "<script>alert(1)</script>",
    "an entity": "&lt;b&gt; &amp; &#x27;",
    "quotes": '"\'` onload=alert(1) x="',
    "mathtext": "$\\frac{a}{0}$ $x_",
    "a format string": "{0.__class__} %s %n {",
    "a path upwards": "../../x",
    "a Windows path": "C:\\x",
    "an absolute path": "/etc/passwd",
    "a device's name": "CON",
    "a spreadsheet formula": "=1+1",
    "a placeholder of the tool": "stored_0",
    "4 KB": "n" * 4096,
}
"""Names by what is odd about them."""
LITERALS = {
    "nested lists, 10^5 deep": "[" * 10**5,
    "nested lists, 10^5 deep, closed": "[" * 10**5 + "]" * 10**5,
    "nested mappings": '{"a":' * 50_000,
    "nested brackets, 90 deep": "[" * 90 + "0" + "]" * 90,
    "many minus signs": "-" * 10**5 + "1",
    "a power": "9**9**9**9",
    "a call": "__import__('os').system('true')",
    "10 MB string": "'" + "a" * LONG + "'",
    "10 MB of numbers": "[" + "0," * (LONG // 2) + "0]",
    "an integer of 10^6 digits": "[" + "9" * 10**6 + "]",
    "an index of 10^6 digits": "{" + "9" * 10**6 + ": 'a'}",
    "not finite": '{"0": NaN, "1": Infinity}',
    "lone surrogate": '["\\ud800", "b", "c"]',
    "escapes": '["\\u001b[31mred", "<script>alert(1)</script>", "../../x"]',
    "a double index": "{0: 'a', '0': 'b', 1: 'c', 2: 'd'}",
    "empty names": '["", "", ""]',
    "NUL": "\0['a', 'b', 'c']",
}
"""What may stand where class names are looked for."""


def _rename(old: str, new: str) -> Callable[[onnx.ModelProto], None]:
    """Rename a tensor and the op that makes it."""

    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            for names in (node.input, node.output):
                for place, name in enumerate(names):
                    names[place] = new if name == old else name
            node.name = new if new in node.output else node.name
        for named in (*model.graph.initializer, *model.graph.input, *model.graph.output):
            named.name = new if named.name == old else named.name

    return change


def _everywhere(name: str) -> Callable[[onnx.ModelProto], None]:
    """Put a name on every tensor and op, told apart by a number behind it."""

    def change(model: onnx.ModelProto) -> None:
        tensors = ["x", "w", "b", "v", "c", "maps", "active", "flat", "scores"]
        for number, tensor in enumerate(tensors):
            _rename(tensor, f"{name}{number}")(model)
        model.graph.name = model.producer_name = model.producer_version = model.domain = name
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = name

    return change


def _documented(model: onnx.ModelProto) -> None:
    text = "\x1b]0;title\x07\x1b[31m<script>alert(1)</script>\r\0" * 100
    model.doc_string = model.graph.doc_string = text
    for entry in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        entry.doc_string = text
    model.metadata_props.add(key=text, value=text)


def _class_names(text: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.metadata_props.add(key="names", value=text)

    return change


def _all_ops(name: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.name = name

    return change


def _metadata_crowd(model: onnx.ModelProto) -> None:
    for number in range(10**4):
        model.metadata_props.add(key="names", value=str(number))


NAMED = (
    *(HostileFile(f"names with {kind}", changed(_everywhere(name)), harmless=True) for kind, name in NAMES.items()),
    *(
        HostileFile(f"class names: {kind}", changed(_class_names(text)), harmless=True)
        for kind, text in LITERALS.items()
    ),
    HostileFile("all ops of one name", changed(_all_ops("same"))),
    HostileFile("all ops without a name", changed(_all_ops("")), harmless=True),
    HostileFile("doc strings with escapes", changed(_documented), harmless=True),
    HostileFile("10^4 metadata entries of one key", changed(_metadata_crowd), harmless=True),
    HostileFile("input without a name", changed(_rename("x", ""))),
    HostileFile("weight without a name", changed(_rename("w", ""))),
    HostileFile("inner tensor without a name", changed(_rename("active", ""))),
    HostileFile("output without a name", changed(_rename("scores", ""))),
    HostileFile("a name of 10 MB", changed(_rename("active", "n" * LONG)), harmless=True),
    HostileFile("an output's name of 10 MB", changed(_rename("scores", "n" * LONG)), harmless=True),
)
