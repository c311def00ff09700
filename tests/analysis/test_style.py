import pytest

from analysis.plot.style import COLOURS, KNOWN, Style, styles

GOLDEN = Style("#56B4E9", "<")
STRANGERS = [f"method_{i}" for i in range(40)]


def test_house_methods_keep_their_style_in_any_company():
    assert styles(["wgsef", *STRANGERS])["wgsef"] == KNOWN["wgsef"]


def test_no_two_methods_look_the_same():
    assert len(set(styles([*KNOWN, *STRANGERS]).values())) == len(KNOWN) + len(STRANGERS)


def test_a_few_strangers_differ_in_colour_and_in_mark():
    free = len(COLOURS) - sum(style.colour in COLOURS for style in KNOWN.values())
    look = styles([*KNOWN, *STRANGERS[:free]]).values()
    assert free >= 2
    assert len({style.colour for style in look}) == len(KNOWN) + free
    assert len({style.mark for style in look}) == len(KNOWN) + free
    assert len(COLOURS) == 9


@pytest.mark.parametrize("order", [STRANGERS, STRANGERS[::-1]])
def test_the_order_does_not_matter(order):
    assert styles(order) == styles(sorted(STRANGERS))


def test_a_stranger_looks_the_same_in_every_process():
    assert styles(["my_method"])["my_method"] == styles(["my_method", *KNOWN])["my_method"] == GOLDEN
