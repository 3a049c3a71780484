"""What a reply shows of itself."""

from llmops_utils.models.reply import Provenance, Reply, TokenChance

LIVE = Provenance("smollm2", "weights sha256:0123456789ab", "live", 7)


def make_reply(**changes):
    defaults = {"text": "Hello", "prompt_tokens": 12, "completion_tokens": 3, "latency_s": 1.234}
    return Reply(**(defaults | {"cost_usd": 0.000012, "provenance": LIVE} | changes))


def test_price_and_provenance_are_one_line_each():
    for cost_usd, told in ((0.000012, "$0.000012"), (0.0, "$0"), (None, "price unknown")):
        assert make_reply(cost_usd=cost_usd).price == f"12 + 3 tokens · 1.23 s · {told}"
    cut_off = make_reply(finish_reason="length")
    assert cut_off.price == "12 + 3 tokens (cut off at max_tokens) · 1.23 s · $0.000012"
    assert str(LIVE) == "smollm2 (weights sha256:0123456789ab, seed 7), live"
    assert str(Provenance("m", "host", "live", 0)) == "m (host, seed 0), live"
    assert str(Provenance("m", "host", "replay", None, "2026-11-20")) == "m (host), replay of 2026-11-20"
    assert LIVE.without_seed == Provenance("smollm2", "weights sha256:0123456789ab", "live")


def test_html_shows_text_price_and_provenance_and_escapes_markup_everywhere():
    reply = make_reply(finish_reason="length", tokens=(TokenChance("Hello", 0.5),))
    html = reply._repr_html_()
    assert [part for part in (">Hello<", reply.price, str(LIVE)) if part not in html] == []
    assert html.count("<div") == html.count("</div>") == 3
    assert "(empty reply)" in make_reply(text="")._repr_html_()
    evil = "<script>alert('x')</script></div> & \"more\""
    html = make_reply(text=evil, provenance=Provenance(evil, evil, "live", None, evil))._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&lt;/div&gt; &amp; &quot;more&quot;") == 4
    assert (str(reply), "TokenChance" in repr(reply)) == ("Hello", False)
