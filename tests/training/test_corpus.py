"""Claims about the training text: whole pages are split, amounts are exact, and dirt is repeatable."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.training import corpus
from llmops_utils.training.corpus import BANNERS, choose_share, cut_texts, load_texts, make_dirty, split_texts


def test_the_texts_are_the_pages_without_the_fields_at_their_top():
    texts = load_texts()
    assert len(texts) == 74
    assert all(text.startswith("# ") and text.endswith("\n") and not text.endswith("\n\n") for text in texts)
    assert sorted(text for split in split_texts(texts).values() for text in split) == sorted(texts)
    splits = split_texts([str(number) for number in range(17)])
    assert (splits["test"], splits["dev"]) == (["3", "11"], ["15"])


def test_a_smaller_share_is_part_of_the_larger():
    texts = [str(number) for number in range(50)]
    quarter, half = choose_share(texts, 1 / 4), choose_share(texts, 1 / 2)
    assert len(half) == 25
    assert set(quarter) < set(half)
    assert choose_share(texts, 1) == texts
    assert choose_share(texts, 1 / 1000) == ["0"]
    for share in (0, -0.5, 1.1):
        with pytest.raises(DataError, match="is no share"):
            choose_share(["a"], share)


def test_texts_are_cut_to_the_byte():
    assert cut_texts(["abc", "defg", "hi"], 5) == ["abc", "de"]
    assert cut_texts(["abc", "defg"], 3) == ["abc"]
    assert cut_texts(["abc", "defg"], 7) == ["abc", "defg"]
    assert cut_texts(["aé", "b"], 2) == ["a"]  # a cut character is left out
    with pytest.raises(DataError, match="2 bytes too short"):
        cut_texts(["abc"], 5)


def test_dirt_is_repeatable_and_of_each_kind(monkeypatch):
    texts = ["A customer's parcel - with a kettle - comes back.\n\nIt is " + "checked and repaired. " * 40] * 5
    dirty = make_dirty(texts)
    assert dirty == make_dirty(texts)
    joined = "\n".join(dirty)
    assert "â€™" in joined
    assert any(banner.strip() in joined for banner in BANNERS)
    monkeypatch.setattr(corpus, "BANNER_SHARE", 0)
    changed = sum(a != b for a, b in zip(make_dirty(texts)[0][-800:], texts[0][-800:], strict=True))
    assert 5 <= changed <= 60
    monkeypatch.setattr(corpus, "SLIP_SHARE", 0)
    assert make_dirty(["Plain words only.\n\nMore."]) == ["Plain words only.\n\nMore."]
