import pytest

from proof.compare import difference


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("", ""),
        ("one\ntwo", "one\ntwo\n"),
        ("name   size", "name size  "),
        ("...", "anything\nat all\n"),
        ("a ... c", "a b\nb c"),
        ("moved <200..500> MB", "moved     486.3 MB"),
        ("<1..2000> bytes", "1,234 bytes"),
        ("a.b*", "a.b*"),
        ("<53.3|59.5> MB", "53.3 MB"),
        ("<53.3|59.5> MB", "59.5 MB"),
        ("<1..2> of ...=<1,more|1|2>,end", "2 of x=1,more,end"),
        ("<1..2> of ...=<1,more|1|2>,end", "1 of x=1,end"),
    ],
)
def test_what_was_said_is_what_is_shown(shown, said):
    assert difference(shown, said) is None


@pytest.mark.parametrize(
    ("shown", "said", "told"),
    [
        ("", "something", "+ something"),
        ("something", "", "- something"),
        ("one\ntwo", "one\n2", "  one\n- two\n+ 2"),
        ("a.b", "axb", "- a.b\n+ axb"),
        ("a ... c", "a b", "- a ... c\n+ a b"),
        ("<1..2> MB", "many MB", "- <1..2> MB\n+ many MB"),
        ("<53.3|59.5> MB", "56 MB", "- <53.3|59.5> MB\n+ 56 MB"),
        ("...=<1,more|1>,end", "x=1,2,end", "- ...=<1,more|1>,end\n+ x=1,2,end"),
    ],
)
def test_a_difference_is_told_line_by_line(shown, said, told):
    assert difference(shown, said) == told


def test_many_placeholders_are_compared_without_going_back():
    """Going back would take hours, and so hang the tests."""
    shown = "ok ...: answers\n...\n" * 6 + "missing"
    assert difference(shown, "ok it: answers\n" * 400)


@pytest.mark.parametrize("said", ["99", "1,000", "0.5"])
def test_a_number_out_of_its_range_is_told(said):
    assert difference("<100..200>", said) == f"expected a number from 100 to 200, found {said}"
