"""The page's modules, joined into one script."""

import re
from itertools import permutations

import pytest

from onnxcausal.report.page.assemble import modules
from onnxcausal.report.page.script import MAIN, joined, module_of

SHIPPED = modules()
SMALL = {
    "main.js": 'import { two } from "./b.js";\n\ntwo();\n',
    "a.js": "/** Returns one. */\nexport function one() {\n  return 1;\n}\n",
    "b.js": 'import {\n  one,\n} from "./a.js";\n\nexport async function two() {\n  return one() + STEP;\n}\n'
    "const STEP = 1;\n",
}


def test_a_module_stands_after_those_it_imports_from_without_what_makes_it_a_module() -> None:
    script = joined(SMALL)
    assert script.index("function one()") < script.index("async function two()") < script.index("two();\n\n})();")
    assert not re.search(r"\b(import|export)\b", script)
    assert "/** Returns one. */\nfunction one() {" in script


def test_the_order_that_modules_are_given_in_does_not_matter() -> None:
    assert len({joined(dict(order)) for order in permutations(SMALL.items())}) == 1


def test_the_shipped_modules_stand_after_those_they_import_from() -> None:
    script = joined(SHIPPED)
    modules = {name: module_of(name, text) for name, text in SHIPPED.items()}
    assert sum(len(module.imports) for module in modules.values()) > 50
    places = {name: script.index(module.body) for name, module in modules.items()}
    for name, module in modules.items():
        assert all(places[source] < places[name] for source in module.imports), name
    assert max(places, key=lambda name: places[name]) == MAIN


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"a.js": 'import { two } from "./b.js";\nexport const one = two;\n'}, r"in a circle: \S+ from \S+ from \S+$"),
        ({"a.js": 'import { one } from "./a.js";\nexport const one = 1;\n'}, r"in a circle: a\.js from a\.js"),
        ({"main.js": 'import { x } from "./c.js";\n'}, r"main\.js: imports from c\.js, which is not there"),
        ({"main.js": 'import { two, STEP } from "./b.js";\n'}, r"main\.js: imports STEP from b\.js, which does not"),
        ({"a.js": "export const one = 1;\nlet two = 2;\n"}, r"b\.js: defines two, as a\.js does"),
        ({"a.js": "export const one = 1;\nclass STEP {}\n"}, r"b\.js: defines STEP, as a\.js does"),
        ({"a.js": "export const one = 1;\nconst one = 2;\n"}, r"a\.js: defines one, as a\.js does"),
        ({"c.js": "export const three = 3;\n"}, r"c\.js: imported by no module"),
        ({"main.js": 'import { two } from "./b.js";\nimport { two } from "./b.js";\n'}, r"imports from b\.js twice"),
    ],
)
def test_modules_that_do_not_fit_together_are_refused(changed: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        joined(SMALL | changed)


@pytest.mark.parametrize(
    "line",
    [
        'import two from "./b.js";',
        'import * as b from "./b.js";',
        'import { two as other } from "./b.js";',
        'import "./b.js";',
        'import { two } from "b";',
        'import { two } from "../../b.js";',
        "import { two } from './b.js';",
        'import { two } from "./b.js"',
        '  import { two } from "./b.js";',
        'two(); import { two } from "./b.js";',
        'const b = import("./b.js");',
        "const here = import.meta.url;",
        "export default 1;",
        "export let a = 1;",
        "export var a = 1;",
        "export { a };",
        'export * from "./b.js";',
        "export const { a } = {};",
        "export function* a() {}",
        "  export const a = 1;",
        "const [a, b] = [1, 2];",
        "const { a } = {};",
        "var a = 1;",
    ],
)
def test_every_other_form_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"^main\.js: "):
        joined(SMALL | {"main.js": f'import {{ one }} from "./a.js";\nimport {{ two }} from "./b.js";\n{line}\n'})


def test_comments_may_speak_of_imports() -> None:
    told = '// What it would import.\n/**\n * @import {A} from "./a.js"\n * const [x] = export\n */\n'
    assert told in joined(SMALL | {"a.js": told + SMALL["a.js"]})
