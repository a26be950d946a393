"""The reward against WebShop's own tests, and its quirks one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from environments.webshop.colours import COLOURS, plain_colour
from environments.webshop.config import WebShopConfig
from environments.webshop.goal import Wanted
from environments.webshop.product import Product
from environments.webshop.reward import Measure, has_attribute, is_alike, options_met, reward_of
from environments.webshop.tagger import rule_nouns
from environments.webshop.words import words
from environments.webshop.world import WebShopWorld
from schemas.errors import ConfigError

SNEAKERS = "Mens D.O.N. Issue 2 Gca Basketball Sneakers Shoes Casual - Off White"
PEAK = "PEAK High Top Mens Basketball Shoes Lou Williams Streetball Master Breathable Non Slip Outdoor Sneakers"
CORD = "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar"
THEATER = f"{CORD} Home Theater System Subwoofer"
BRST = "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR Combo Home Theater System"
KNOB = "Rusticware 921ORB Kitchen and Bath Cabinet Knob"
TWEEZERS = "Minkissy 2pcs Stainless Steel Eyebrow Tweezers Blackhead Acne Remover Portable Makeup Tweezers (Silver)"
MEASURE = Measure(rule_nouns, COLOURS, "")


def product(**said: Any) -> Product:
    plain = Product("B000000001", "Name 1", "", (), {}, 35.0, "$35.0", "c", "query 1", "a › b › c", ("tea tree",))
    return plain._replace(**said)


def wanted(**said: Any) -> Wanted:
    plain: dict[str, Any] = {
        "asin": "B000000001",
        "name": "Name 1",
        "query": "query 1",
        "product_category": "a › b › c",
    }
    return Wanted.model_validate({**plain, "attributes": ["tea tree"], "options": [], "price_upper": 40.0, **said})


def worth(bought: Product, goal: Wanted, *options: str) -> float:
    return reward_of(bought, options, goal, MEASURE).total


@pytest.mark.parametrize(
    ("goal", "bought", "theirs", "kind"),
    [
        (SNEAKERS, PEAK, 0.333, 1.0),
        (THEATER, BRST, 0.3, 1.0),
        (CORD, BRST, 0.15, 0.5),
        (KNOB, TWEEZERS, 0.0, 0.0),
    ],
)
def test_names_of_its_own_tests_are_of_the_kind_that_spacy_makes_them(
    goal: str, bought: str, theirs: float, kind: float
) -> None:
    """Our rules find a few nouns more or fewer than spaCy's model; the kind is the same."""
    apart = product(title=bought, query="query 2", product_category="d › e › f")
    reward = reward_of(apart, (), wanted(name=goal), MEASURE)
    assert reward.kind == kind and abs(reward.title_score - theirs) < 0.12


@pytest.mark.parametrize(
    ("common", "query", "category", "kind"),
    [
        (10, "other", "d › e", 1.0),
        (2, "other", "d › e", 0.5),
        (2, "query 1", "d › e", 1.0),
        (2, "other", "b › a", 1.0),
        (2, "other", "a › a › d", 0.5),
        (1, "other", "d › e", 0.5),
        (0, "query 1", "a › b › c", 0.0),
    ],
)
def test_the_kind_of_thing_by_its_nouns_query_and_category(common: int, query: str, category: str, kind: float) -> None:
    names = [f"thing{letter}" for letter in "abcdefghij"]
    bought = product(title=" ".join([*names[:common], "strangeword"]), query=query, product_category=category)
    assert reward_of(bought, (), wanted(name=" ".join(names)), MEASURE).kind == kind


def test_a_tenth_of_the_nouns_is_the_least_that_is_not_another_thing() -> None:
    names = [f"thing{letter}" for letter in "abcdefghijk"]
    assert reward_of(product(title="thinga"), (), wanted(name=" ".join(names)), MEASURE).kind == 0.1


def test_a_name_without_nouns_scores_a_fifth() -> None:
    reward = reward_of(product(title="Cord", query="x", product_category="y"), (), wanted(name="of the 12"), MEASURE)
    assert reward.title_score == 0.2 and reward.kind == 0.5, "a fifth is not more than a fifth"


@pytest.mark.parametrize(
    ("own", "texts", "met"),
    [
        (("tea tree", "essential oil", "natural ingredients"), {}, 3),
        (("essential oil", "natural ingredients"), {}, 2),
        ((), {"bullets": ("This has essential oils",), "description": "Made with natural ingredients"}, 2),
        (("tea bag", "earl gray", "lipton"), {"title": "English tea for breakfast"}, 0),
        ((), {"title": "TEA TREE"}, 1),
    ],
)
def test_attributes_are_met_by_likeness_or_word_for_word(own: tuple[str, ...], texts: Any, met: int) -> None:
    bought = product(attributes=own, **texts)
    assert sum(has_attribute(bought, one) for one in ("tea tree", "essential oils", "natural ingredients")) == met


@pytest.mark.parametrize(
    ("goal", "chosen", "met"),
    [
        (["grey", "XL", "pack of 12"], ["pack of 12", "grey", "XL"], 3),
        (["grey", "XL", "pack of 12"], ["pack of 12", "blue", "XL"], 2),
        (["cool powder snow", "XL", "pack of 12"], ["pack of 12", "powder snow", "XL"], 3),
        ([], ["goal 1"], 0),
        (["goal 1", "goal 2"], [], 0),
        (["navy blue"], ["royal blue"], 1),  # both are `blue`
        (["dark grey"], ["dark blue"], 0),  # to the original both are `dark`
        (["dark grey"], ["grey"], 1),
        (["rl56 | 60 silver mist"], ["silver"], 1),
        (["x-large"], ["large"], 1),  # the words of the one are among those of the other
        (["8"], ["18"], 0),
        ({"color": "grey", "size": "XL"}, ["grey", "XL"], 2),
        ({"size": "x-large"}, ["large"], 1),  # ('size', 'x-large') has the word `large`
        ({"size": "small"}, ["size"], 1),  # and the option's name, too
        ({"color": "dark grey"}, ["dark"], 1),
    ],
)
def test_options_are_met_by_likeness_of_what_is_left_of_them(goal: Any, chosen: list[str], met: int) -> None:
    assert options_met(chosen, wanted(options=goal), COLOURS) == met


@pytest.mark.parametrize(
    ("option", "plain"),
    [
        ("", ""),
        ("black forest", "black"),
        ("violet lavender", "lavender"),
        ("steelivy fuchsia", "fuchsia"),
        ("123crimson", "crimson"),
        ("webshop", "webshop"),
        ("bordered", "red"),
        (("color", "navy"), "navy"),
        (("color", "navy blue"), ("color", "navy blue")),
    ],
)
def test_an_option_is_the_first_colour_in_the_list_that_it_contains(option: Any, plain: Any) -> None:
    assert plain_colour(option, COLOURS) == plain
    assert list(COLOURS) == sorted(set(COLOURS))


def test_the_colours_of_a_file_measure_instead_of_ours_and_count_in_the_world(
    tmp_path: Path, shop: WebShopWorld
) -> None:
    path = tmp_path / "colours.txt"
    path.write_text("dark light\nred\n")
    world = WebShopWorld(tmp_path, WebShopConfig(colours=str(path)))
    assert world.measure.colours == ("dark", "light", "red")
    assert options_met(["dark blue"], wanted(options=["dark grey"]), world.measure.colours) == 1
    assert world.world_id != shop.world_id and "colours" not in shop.card.extra
    assert ", colours by " in world.describe()["image"] and "colours" not in shop.describe()["image"]
    path.write_text(" ".join(COLOURS))
    assert WebShopWorld(tmp_path, WebShopConfig(colours=str(path))).world_id == shop.world_id


@pytest.mark.parametrize(("text", "told"), [(None, "cannot be read"), (b" \n", "holds no word"), (b"\xff", "as text")])
def test_a_file_without_colours_is_told(tmp_path: Path, text: bytes | None, told: str) -> None:
    path = tmp_path / "colours.txt"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ConfigError, match=told):
        WebShopWorld(tmp_path, WebShopConfig(colours=str(path)))


def test_no_colour_of_css_holds_another() -> None:
    names = words("css_colours")
    assert len(names) > 50 and not [one for one in names for other in names if other != one and other in one]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("easy to clean", "easy clean", True),
        ("Café Crème", "caf crme", True),  # Latin-1's upper half is left out
        ("essential oil", "essential oils", True),
        ("tea tree", "tea bag", False),
        ("", "", False),
        ("日本", "日本", True),
        ("long lasting", "long-lasting!", True),
    ],
)
def test_likeness_is_thefuzz_s(one: str, other: str, alike: bool) -> None:
    assert is_alike(one, other) == alike


@pytest.mark.parametrize(
    ("bought", "goal", "options", "total"),
    [
        ({}, {}, (), 1.0),
        ({"price": 40.01}, {}, (), 0.5),
        ({"price": 40.0}, {}, (), 1.0),
        ({"attributes": ()}, {"attributes": ["tea tree", "dry hair", "name"]}, (), 0.5),  # `name` stands in the title
        ({}, {"options": ["grey", "XL"]}, ("grey",), 0.75),
        ({"query": "q", "product_category": "d", "title": BRST}, {"name": CORD}, (), 0.5),
        ({"title": "Cord"}, {}, (), 0.0),
    ],
)
def test_the_whole_is_the_kind_times_the_share_of_all_that_is_met(
    bought: Any, goal: Any, options: tuple[str, ...], total: float
) -> None:
    assert worth(product(**bought), wanted(**goal), *options) == pytest.approx(total)


def test_its_parts_have_the_original_s_names_and_none_stands_for_options_that_nobody_wants() -> None:
    parts = {part.name for part in reward_of(product(), (), wanted(), MEASURE).parts}
    assert parts == {"r_type", "r_att", "r_price", "title_score", "query_match", "category_match"}
    more = reward_of(product(), (), wanted(options=["red"]), MEASURE).parts
    assert {part.name: part.value for part in more}["r_option"] == 0.0


def test_nouns_of_a_long_name_are_those_that_the_original_counted() -> None:
    """A human session bought the wanted product: 21 of 23, since two nouns stand there twice."""
    name = (
        'Lenovo Chromebook C340 Laptop, 15.6" FHD (1920 X 1080) Display, Intel Core i3-8130U Processor, 4GB DDR4 RAM, '
        "64GB SSD, Intel UHD Graphics 620, Chrome OS, 2 In 1 Touchscreen, 81T90002UX, Mineral Grey"
    )
    nouns = rule_nouns(name)
    assert (len(set(nouns)), len(nouns)) == (21, 23)
