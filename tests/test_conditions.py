import re
import tomllib

import pytest

from machines import OLDEST
from proof import record
from proof.conditions import conditions, expected_with
from proof.project import EXPECTED, ROOT

FAR = "999"
FILES = sorted(EXPECTED.glob("*/*.txt"))


def test_a_line_is_kept_where_its_condition_holds():
    text = "always\nold   <- s3fs<1.95: a reason\nnew  <- s3fs>=1.95,<1.97: another reason\n"
    assert expected_with({"s3fs": "1.90"}, text) == "always\nold\n"
    assert expected_with({"s3fs": "1.96"}, text) == "always\nnew\n"
    assert expected_with({"s3fs": "1.97"}, text) == "always\n"
    assert expected_with({"s3fs": "none"}, text) == "always\n"


def boundaries(condition):
    """List versions on both sides of each number in a condition, from the oldest supported on."""
    numbers = {spec.version for spec in condition.which}
    beside = {f"{number}.1" for number in numbers}
    return [*sorted(numbers | beside), FAR]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_condition_is_stale(path):
    text = path.read_text()
    for condition in conditions(text):
        assert condition.name in record.versions(), condition
        oldest = OLDEST.get(condition.name)
        assert oldest, f"say in machines which {condition.name} is the oldest supported one"
        tried = [oldest, *(v for v in boundaries(condition) if as_tuple(v) > as_tuple(oldest))]
        held = {condition.holds({condition.name: version}) for version in tried}
        assert held == {True, False}, f"{path.name}: {condition} is always or never so"
        assert len(condition.reason.split()) >= 3, condition
    assert len(re.findall(r"(?m) <- ", text)) == len(list(conditions(text)))


def as_tuple(version):
    return tuple(int(part) for part in version.split("."))


def test_the_oldest_supported_versions_are_those_that_can_be_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={OLDEST['Python']}"
    iris = project["optional-dependencies"]["iris"]
    assert any(one.startswith(f"scitools-iris>={OLDEST['Iris']};") for one in iris)
