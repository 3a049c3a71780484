"""What a reply shows of itself."""

import dataclasses

import pytest

from llmops_utils.models.reply import Provenance, Reply, Token, TokenChance

LIVE = Provenance("smollm2", "weights sha256:0123456789ab", "live", 7)


def make_reply(**changes):
    defaults = {
        "text": "Hello",
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "latency_s": 1.234,
        "cost_usd": 0.000012,
        "provenance": LIVE,
    }
    return Reply(**(defaults | changes))


def test_a_reply_is_its_text():
    assert str(make_reply()) == "Hello"


@pytest.mark.parametrize(
    "value", [make_reply(), LIVE, Token(1, "a"), TokenChance("a", 0.5)], ids=lambda value: type(value).__name__
)
def test_values_cannot_be_changed(value):
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "12 + 3 tokens · 1.23 s · $0.000012"),
        ({"cost_usd": 0.0}, "12 + 3 tokens · 1.23 s · $0"),
        ({"cost_usd": None}, "12 + 3 tokens · 1.23 s · price unknown"),
        ({"finish_reason": "length"}, "12 + 3 tokens (cut off at max_tokens) · 1.23 s · $0.000012"),
    ],
)
def test_price_is_one_line(changes, expected):
    assert make_reply(**changes).price == expected


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        (LIVE, "smollm2 (weights sha256:0123456789ab, seed 7), live"),
        (Provenance("m", "host", "live", 0), "m (host, seed 0), live"),
        (Provenance("m", "host", "replay", None, "2026-11-20"), "m (host), replay of 2026-11-20"),
    ],
)
def test_provenance_is_one_line(provenance, expected):
    assert str(provenance) == expected


def test_html_shows_text_price_and_provenance():
    reply = make_reply()
    html = reply._repr_html_()
    assert ">Hello<" in html
    assert reply.price in html
    assert str(LIVE) in html
    assert "cut off" not in html


def test_html_escapes_markup_everywhere():
    evil = "<script>alert('x')</script> & \"more\""
    html = make_reply(text=evil, provenance=Provenance(evil, evil, "live", None, evil))._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;") == 4


def test_html_says_that_a_reply_was_cut_off():
    assert "cut off at max_tokens" in make_reply(finish_reason="length")._repr_html_()


def test_html_says_that_a_reply_is_empty():
    assert "(empty reply)" in make_reply(text="")._repr_html_()


def test_html_is_balanced():
    html = make_reply(text="</div><b>")._repr_html_()
    assert html.count("<div") == html.count("</div>") == 3


def test_repr_names_text_and_provenance_and_leaves_out_the_tokens():
    shown = repr(make_reply(tokens=(TokenChance("Hello", 0.5),)))
    assert "text='Hello'" in shown
    assert "smollm2" in shown
    assert "TokenChance" not in shown


def test_equal_replies_are_equal():
    assert make_reply() == make_reply()
    assert make_reply() != make_reply(text="Bye")
