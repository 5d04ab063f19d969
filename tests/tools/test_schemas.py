"""CI definitions, and how to cite, against the official schemas of GitHub, GitLab, pre-commit and CITATION.cff."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.pages import page

ROOT = Path(__file__).parent.parent.parent
WORKFLOW, COMMITS, _ = page("docs/ci.md").blocks("yaml")
ACTION, GITLAB = ROOT / "tools" / "action" / "action.yml", ROOT / "tools" / "gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
CITATION = ROOT / "CITATION.cff"
GITHUB_ACTION, GITHUB_WORKFLOW, GITLAB_CI = "vendor.github-actions", "vendor.github-workflows", "vendor.gitlab-ci"
CITATION_FORMAT = "vendor.citation-file-format"


def fits(schema: str, file: Path) -> bool:
    """Return whether a file fits a schema that comes with check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert done.returncode == 0 or "Schema validation errors were encountered" in done.stdout
    return done.returncode == 0


def is_valid(kind: str, file: Path) -> bool:
    """Return whether pre-commit finds a file valid, `kind` being what it checks."""
    done = subprocess.run([sys.executable, "-m", "pre_commit", f"validate-{kind}", str(file)], check=False)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("schema", "file", "right", "wrong"),
    [
        (GITHUB_ACTION, ACTION, "using: composite", "using: compost"),
        (GITHUB_ACTION, ACTION, "shell: bash", "shelter: bash"),
        (GITLAB_CI, GITLAB, "when: always", "when: sometimes"),
        (GITLAB_CI, GITLAB, "junit: onnxcausal-junit.xml", "junit: {file: x}"),
        (CITATION_FORMAT, CITATION, "type: software", "type: hardware"),
    ],
)
def test_a_definition_fits_its_schema_and_with_a_mistake_it_does_not(
    schema: str, file: Path, right: str, wrong: str, tmp_path: Path
) -> None:
    text = file.read_text(encoding="utf-8")
    assert fits(schema, file)
    assert right in text
    (tmp_path / file.name).write_text(text.replace(right, wrong))
    assert not fits(schema, tmp_path / file.name)


def test_the_workflow_of_the_page_fits_the_schema(tmp_path: Path) -> None:
    (tmp_path / "workflow.yml").write_text(f"on: push\n{WORKFLOW}")
    assert fits(GITHUB_WORKFLOW, tmp_path / "workflow.yml")
    (tmp_path / "workflow.yml").write_text(f"on: push\n{WORKFLOW.replace('runs-on', 'runs-with')}")
    assert not fits(GITHUB_WORKFLOW, tmp_path / "workflow.yml")


def test_pre_commit_takes_the_hook_and_the_lines_of_the_page(tmp_path: Path) -> None:
    assert is_valid("manifest", HOOKS)
    (tmp_path / "config.yaml").write_text(COMMITS)
    assert is_valid("config", tmp_path / "config.yaml")
    (tmp_path / "hooks.yaml").write_text(HOOKS.read_text().replace("language: python", "language: latin"))
    assert not is_valid("manifest", tmp_path / "hooks.yaml")


def test_how_to_cite_is_of_this_version_and_names_the_papers_of_the_method() -> None:
    told = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (told["title"], told["version"], told["license"]) == (
        project["name"],
        project["version"],
        project["license"],
    )
    links = page("docs/method.md").links
    assert len(told["references"]) == 3
    for reference in told["references"]:
        assert reference["url"] in links
        assert reference["url"].endswith(reference["identifiers"][0]["value"].removeprefix("arXiv:"))
