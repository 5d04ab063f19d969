"""Names that are shown."""

from onnxcausal.report.text import apart, shortened


def test_names_that_differ_in_the_middle_are_shortened_so_that_they_stay_apart() -> None:
    names = [f"/model/encoder/layers.{number}/self_attention/output/projection/MatMul" for number in range(12)]
    found = apart([*names, "/head/MatMul", names[0]], 20)
    assert list(found) == [*names, "/head/MatMul"]
    assert len(set(found.values())) == 13
    assert found["/head/MatMul"] == "/head/MatMul"
    assert max(map(len, found.values())) < len(names[0])
    assert apart(["a" * 50], 20) == {"a" * 50: shortened("a" * 50, 20)}
    assert apart([], 20) == {}
