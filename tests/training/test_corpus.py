"""Claims about the training text: whole pages are split, amounts are exact, and dirt is repeatable."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.training.corpus import BANNERS, Page, choose_share, cut_texts, load_pages, make_dirty, split_pages

PAGE = "---\ntitle: A page\nstatus: current\n---\n\n# A page\n\nText --- with dashes.\n"


def test_pages_lose_the_fields_at_their_top_and_nothing_else(tmp_path):
    (tmp_path / "b-page.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "a-page.md").write_text("# Bare\n\n---\n\nEnd", encoding="utf-8")
    assert load_pages(tmp_path) == [
        Page("a-page", "# Bare\n\n---\n\nEnd\n"),
        Page("b-page", "# A page\n\nText --- with dashes.\n"),
    ]


def test_line_ends_of_windows_give_the_same_text(tmp_path):
    (tmp_path / "page.md").write_bytes(PAGE.replace("\n", "\r\n").encode())
    assert load_pages(tmp_path)[0].text == "# A page\n\nText --- with dashes.\n"


def test_an_empty_page_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(DataError, match="no page"):
        load_pages(tmp_path)
    (tmp_path / "page.md").write_text("---\ntitle: x\n---\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"page\.md holds no text"):
        load_pages(tmp_path)


def test_every_page_of_the_handbook_is_in_one_split():
    pages = load_pages()
    splits = split_pages(pages)
    assert sorted(text for texts in splits.values() for text in texts) == sorted(page.text for page in pages)
    assert all(page.text.startswith("# ") for page in pages)
    assert min(len(texts) for texts in splits.values()) >= 4


def test_splits_hold_the_pages_that_they_say():
    splits = split_pages([Page(str(number), str(number)) for number in range(17)])
    assert splits["test"] == ["3", "11"]
    assert splits["dev"] == ["15"]
    assert len(splits["train"]) == 14


def test_a_smaller_share_is_part_of_the_larger():
    texts = [str(number) for number in range(50)]
    quarter, half = choose_share(texts, 1 / 4), choose_share(texts, 1 / 2)
    assert len(half) == 25
    assert set(quarter) < set(half)
    assert choose_share(texts, 1) == texts
    assert choose_share(texts, 1 / 1000) == ["0"]


@pytest.mark.parametrize("share", [0, -0.5, 1.1])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(DataError, match="is no share"):
        choose_share(["a"], share)


def test_texts_are_cut_to_the_byte():
    assert cut_texts(["abc", "defg", "hi"], 5) == ["abc", "de"]
    assert cut_texts(["abc", "defg"], 3) == ["abc"]
    assert cut_texts(["abc", "defg"], 7) == ["abc", "defg"]


def test_a_cut_character_is_left_out():
    assert cut_texts(["aé", "b"], 2) == ["a"]


def test_too_little_text_is_refused():
    with pytest.raises(DataError, match="2 bytes too short"):
        cut_texts(["abc"], 5)


def test_dirt_is_repeatable_and_of_each_kind():
    texts = ["A customer's parcel - with a kettle - comes back.\n\nIt is " + "checked and repaired. " * 40] * 5
    dirty = make_dirty(texts, seed=1)
    assert dirty == make_dirty(texts, seed=1)
    assert dirty != make_dirty(texts, seed=2)
    joined = "\n".join(dirty)
    assert "â€™" in joined
    assert any(banner.strip() in joined for banner in BANNERS)
    changed = sum(a != b for a, b in zip(make_dirty(texts, banner_share=0)[0][-800:], texts[0][-800:], strict=True))
    assert 5 <= changed <= 60


def test_no_dirt_leaves_the_text_alone_but_for_the_encoding():
    assert make_dirty(["Plain words only.\n\nMore."], banner_share=0, slip_share=0) == ["Plain words only.\n\nMore."]
